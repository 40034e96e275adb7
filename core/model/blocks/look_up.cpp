// The look-up of a table's rows, whose gradient is rows rather than a dense matrix.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <algorithm>
#include <utility>

#include "core/model/blocks/encoder.h"
#include "core/model/blocks/gradients.h"

namespace dsd {
namespace {

class LookUpNode : public torch::autograd::Node {
 public:
  LookUpNode(Weight table, Tensor ids) : table_(std::move(table)), ids_(std::move(ids)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    if (gradients[0].defined()) add_row_gradient(table_, ids_, gradients[0]);
    return {Tensor()};
  }

 private:
  Weight table_;
  Tensor ids_;
};

}  // namespace

Tensor look_up(const Weight& words, const Tensor& ids) {
  const bool records = torch::autograd::compute_requires_grad(words.master);
  const at::NoGradGuard no_grad;
  Tensor rows = words.master.index_select(0, ids);
  if (records) {
    auto node = std::make_shared<LookUpNode>(words, ids);
    node->set_next_edges(torch::autograd::collect_next_edges(words.master));
    torch::autograd::set_history(rows, node);
  }
  return rows;
}

}  // namespace dsd
