#pragma once
// A step of autograd whose backward is written by hand. The gradients of weights never pass through autograd: backward
// adds them where they belong, and the edges to the masters only make the output require a gradient.

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/types/weight.h"

namespace dsd {

class FusedNode : public torch::autograd::Node {
 public:
  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) final {
    if (c10::GradMode::is_enabled()) fail("a fused block has no second derivative; take the plain one");
    if (released_) fail("the backward of a fused block ran twice over one graph; keep the graph on the first");
    torch::autograd::variable_list result(num_outputs());
    const bool any = std::any_of(gradients.begin(), gradients.end(), [](const Tensor& g) { return g.defined(); });
    if (any) result[0] = backward(gradients, task_should_compute_output(0));
    return result;
  }
  void release_variables() final {
    released_ = true;
    release();
  }

 protected:
  // The gradient of the first input, where it is wanted.
  virtual Tensor backward(torch::autograd::variable_list& gradients, bool wants_input) = 0;
  virtual void release() = 0;

 private:
  bool released_ = false;
};

// Makes `outputs` the results of `node`, whose first input is `input`. An undefined output takes a place all the same.
inline void record(const std::shared_ptr<FusedNode>& node, const Tensor& input,
                   const std::vector<const Weight*>& weights, const std::vector<Tensor>& outputs) {
  std::vector<Tensor> inputs{input};
  for (const Weight* weight : weights) inputs.push_back(weight->master);
  node->set_next_edges(torch::autograd::collect_next_edges(inputs));
  torch::autograd::set_history(outputs, node);
}

// Whether a block must keep what its backward needs.
inline bool needs_backward(const Tensor& input, const std::vector<const Weight*>& weights) {
  if (!c10::GradMode::is_enabled()) return false;
  if (input.defined() && input.requires_grad()) return true;
  for (const Weight* weight : weights) {
    if (weight->master.requires_grad()) return true;
  }
  return false;
}

}  // namespace dsd
