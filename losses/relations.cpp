#include "losses/relations.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <cmath>

#include "core/base/error.h"

namespace dsd {
namespace {

using at::Tensor;

// Hands out the gradients that the kernel has made beside the value.
class RelationNode : public torch::autograd::Node {
 public:
  RelationNode(Tensor left, Tensor right) : left_(std::move(left)), right_(std::move(right)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    if (!left_.defined()) fail("the backward of a relation's loss ran twice");
    torch::autograd::variable_list result{std::move(left_) * gradients[0]};
    if (right_.defined()) result.push_back(std::move(right_) * gradients[0]);
    left_ = right_ = Tensor();
    return result;
  }

 private:
  Tensor left_, right_;
};

bool has_kernel(const RelationOperands& operands) {
  return operands.left.is_cpu() && operands.left.scalar_type() == at::kFloat;
}

// [heads, n, n] of rows begin ... end.
Tensor scores_of(const RelationOperands& operands, std::int64_t begin, std::int64_t end, std::int64_t heads) {
  const auto shared_out = [&](const Tensor& all) {
    return all.slice(0, begin, end).view({end - begin, heads, -1}).transpose(0, 1);
  };
  const Tensor left = shared_out(operands.left);
  const Tensor right = operands.right.defined() ? shared_out(operands.right) : left;
  return at::matmul(left, right.transpose(1, 2)) / std::sqrt(static_cast<double>(left.size(2)));
}

}  // namespace

Tensor plain::relation_loss(const RelationOperands& student, const RelationOperands& teacher, const Tensor& offsets,
                            std::int64_t heads, RelationDistance distance) {
  const auto* bounds = offsets.const_data_ptr<std::int32_t>();
  Tensor total = at::zeros({}, student.left.options().requires_grad(false));
  for (std::int64_t s = 0; s + 1 < offsets.size(0); ++s) {
    if (bounds[s] == bounds[s + 1]) continue;
    const Tensor own = scores_of(student, bounds[s], bounds[s + 1], heads),
                 other = scores_of(teacher, bounds[s], bounds[s + 1], heads);
    if (distance == RelationDistance::scores) {
      total = total + (own - other).square().mean(2).sum();
      continue;
    }
    const Tensor log_p = at::log_softmax(other, 2);
    total = total + (log_p.exp() * (log_p - at::log_softmax(own, 2))).sum();
  }
  return total / static_cast<double>(heads);
}

Tensor relation_loss(const RelationOperands& student, const RelationOperands& teacher, const Tensor& offsets,
                     std::int64_t heads, RelationDistance distance) {
  if (!has_kernel(student) || !has_kernel(teacher))
    return plain::relation_loss(student, teacher, offsets, heads, distance);
  const bool two = student.right.defined();
  const bool wanted =
      at::GradMode::is_enabled() && (student.left.requires_grad() || (two && student.right.requires_grad()));
  Tensor to_left, to_right;
  double value = 0;
  {
    const at::NoGradGuard no_grad;
    if (wanted) to_left = at::zeros(student.left.sizes(), at::kFloat);
    if (wanted && two) to_right = at::zeros(student.right.sizes(), at::kFloat);
    value = relation(student, teacher, offsets, heads, distance, to_left, to_right);
  }
  Tensor loss = at::scalar_tensor(value, at::kFloat);
  if (!wanted) return loss;
  const auto node = std::make_shared<RelationNode>(to_left, to_right);
  node->set_next_edges(two ? torch::autograd::collect_next_edges(student.left, student.right)
                           : torch::autograd::collect_next_edges(student.left));
  torch::autograd::set_history(loss, node);
  return loss;
}

}  // namespace dsd
