// The look-up of a table's rows, whose gradient is rows rather than a dense matrix.
#include <ATen/ATen.h>

#include "core/model/blocks/encoder.h"
#include "core/model/blocks/gradients.h"
#include "core/model/blocks/node.h"

namespace dsd {
namespace {

class LookUpNode : public FusedNode {
 public:
  LookUpNode(Weight table, Tensor ids) : table_(std::move(table)), ids_(std::move(ids)) {}

 protected:
  Tensor backward(torch::autograd::variable_list& gradients, bool) override {
    add_row_gradient(table_, ids_, gradients[0]);
    return {};
  }
  void release() override { ids_ = Tensor(); }

 private:
  Weight table_;
  Tensor ids_;
};

}  // namespace

Tensor look_up(const Weight& words, const Tensor& ids) {
  const bool saves = needs_backward(Tensor(), {&words});
  const at::NoGradGuard no_grad;
  const Tensor rows = words.master.index_select(0, ids);
  if (saves) record(std::make_shared<LookUpNode>(words, ids), Tensor(), {&words}, {rows});
  return rows;
}

}  // namespace dsd
