// The fused mixture of experts.
#include "core/model/blocks/experts.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/model/blocks/gradients.h"
#include "core/model/blocks/node.h"
#include "core/model/blocks/products.h"
#include "kernels/decoder_rows.h"
#include "kernels/experts.h"
#include "kernels/gemm.h"

namespace dsd {
namespace {

struct ExpertsState {
  NormBefore norm;
  ExpertPlan plan;
  Tensor probabilities;  // [N, E]
  Tensor weights;        // [N, K]
  Tensor gate_up;        // [N K, 2F], by place
};

// One expert's rows of a matrix in which all stand one below the other.
Tensor of_expert(const Tensor& stacked, std::int64_t expert, std::int64_t experts) {
  const std::int64_t rows = stacked.size(0) / experts;
  return stacked.narrow(0, expert * rows, rows);
}

// Calls body(expert, first place, places) for each expert that has rows.
template <class Body>
void each_expert(const ExpertPlan& plan, Body body) {
  for (std::size_t expert = 0; expert + 1 < plan.bounds.size(); ++expert)
    if (const std::int64_t count = plan.bounds[expert + 1] - plan.bounds[expert]; count > 0)
      body(static_cast<std::int64_t>(expert), plan.bounds[expert], count);
}

// y [N K, M] = each place's row of x times its expert's matrix, transposed.
Tensor products(const ExpertPlan& plan, const Tensor& x, const Weight& weight) {
  const Tensor& stacked = matrix_of(weight);
  const std::int64_t experts = std::ssize(plan.bounds) - 1;
  Tensor y = at::empty({x.size(0), stacked.size(0) / experts}, at::kFloat);
  each_expert(plan, [&](std::int64_t expert, std::int64_t first, std::int64_t count) {
    gemm(x.narrow(0, first, count), of_expert(stacked, expert, experts).t(), y.narrow(0, first, count), false);
  });
  return y;
}

// The gradient of x from d_y.
Tensor products_backward(const ExpertPlan& plan, const Tensor& d_y, const Weight& weight) {
  const Tensor& stacked = matrix_of(weight);
  const std::int64_t experts = std::ssize(plan.bounds) - 1;
  Tensor d_x = at::empty({d_y.size(0), stacked.size(1)}, at::kFloat);
  each_expert(plan, [&](std::int64_t expert, std::int64_t first, std::int64_t count) {
    gemm(d_y.narrow(0, first, count), of_expert(stacked, expert, experts), d_x.narrow(0, first, count), false);
  });
  return d_x;
}

void add_gradients(const ExpertPlan& plan, const Tensor& d_y, const Tensor& x, const Weight& weight) {
  if (!weight.master.requires_grad()) return;
  const Tensor gradient = dense_gradient(weight);
  const std::int64_t experts = std::ssize(plan.bounds) - 1;
  each_expert(plan, [&](std::int64_t expert, std::int64_t first, std::int64_t count) {
    gemm(d_y.narrow(0, first, count).t(), x.narrow(0, first, count), of_expert(gradient, expert, experts), true);
  });
}

class ExpertsNode : public FusedNode {
 public:
  ExpertsNode(const ExpertWeights& weights, ExpertsState state) : weights_(weights), state_(std::move(state)) {}

 protected:
  Tensor backward(torch::autograd::variable_list& gradients, bool wants_input) override {
    const at::NoGradGuard no_grad;
    const Tensor normal = state_.norm.rows(weights_.gain, at::kFloat);
    const Tensor d_normal = at::zeros_like(normal);
    Tensor d_p = gradients[1].defined() ? gradients[1] : at::zeros_like(state_.probabilities);
    Tensor d_x = gradients[0].defined() ? gradients[0].clone(at::MemoryFormat::Contiguous) : at::zeros_like(normal);
    if (gradients[0].defined()) {
      const Tensor d_weights = mixture_backward(gradients[0].contiguous(), normal, d_normal);
      d_p = d_p + expert_weights_backward(d_weights, state_.weights, state_.probabilities, state_.plan);
    }
    router_backward(d_p, normal, d_normal);
    state_.norm.backward(d_normal, weights_.gain, d_x);
    return wants_input ? d_x : Tensor();
  }

  void release() override { state_ = {}; }

 private:
  // Adds to the gradient of the normalised rows; gives that of the weights, [N, K].
  Tensor mixture_backward(const Tensor& d_out, const Tensor& normal, const Tensor& d_normal) {
    const ExpertPlan& plan = state_.plan;
    const at::ScalarType type = matrix_of(weights_.down).scalar_type();
    const Tensor d_places = d_out.index_select(0, plan.rows).to(type);
    const Tensor d_inner = products_backward(plan, d_places, weights_.down);  // before the weights
    const Tensor inner = gated(state_.gate_up, at::kFloat);
    const Tensor share = at::empty({plan.rows.size(0), 1}, at::kFloat);  // by place
    const Tensor places = plan.places.view(-1);
    share.index_copy_(0, places, state_.weights.view({-1, 1}));
    const Tensor d_share = (inner * d_inner).sum(1);
    add_gradients(plan, d_places, inner.mul_(share).to(type), weights_.down);
    gated_backward(d_inner.mul_(share), state_.gate_up);
    const Tensor d_gate_up = operand(state_.gate_up, weights_.gate_up);
    add_gradients(plan, d_gate_up, operand(normal, weights_.gate_up).index_select(0, plan.rows), weights_.gate_up);
    add_mixed(products_backward(plan, d_gate_up, weights_.gate_up), plan, {}, d_normal);
    return d_share.index_select(0, places).view(plan.places.sizes());
  }

  void router_backward(const Tensor& d_p, const Tensor& normal, const Tensor& d_normal) {
    const Tensor& p = state_.probabilities;
    const Tensor d_logits = p * (d_p - (p * d_p).sum(1, true));
    if (weights_.router.master.requires_grad()) gemm(d_logits.t(), normal, dense_gradient(weights_.router), true);
    gemm(d_logits, weights_.router.master, d_normal, true);
  }

  ExpertWeights weights_;
  ExpertsState state_;
};

}  // namespace

ExpertsOutput experts_block(const Tensor& x, const ExpertWeights& weights, const ExpertShape& shape) {
  if (!is_fused(x)) return plain::experts_block(x, weights, shape);
  const auto all = present({&weights.gain, &weights.router, &weights.gate_up, &weights.down});
  const bool saves = needs_backward(x, all);
  const at::NoGradGuard no_grad;
  ExpertsState state;
  state.norm = {.x = x.detach().contiguous(), .epsilon = shape.epsilon};
  const Tensor normal =
      scale_norm(state.norm.x, weights.gain.master, shape.epsilon, at::kFloat, saves ? &state.norm.inverse : nullptr);
  const Tensor logits = at::empty({x.size(0), shape.experts}, at::kFloat);
  gemm(normal, weights.router.master.t(), logits, false);
  state.probabilities = at::softmax(logits, 1);
  state.plan = plan_experts(state.probabilities, shape.chosen);
  state.weights = expert_weights(state.probabilities, state.plan);
  state.gate_up =
      products(state.plan, operand(normal, weights.gate_up).index_select(0, state.plan.rows), weights.gate_up);
  const Tensor inner = gated(state.gate_up, matrix_of(weights.down).scalar_type());
  const ExpertsOutput out{state.norm.x.clone(), state.probabilities.clone(), state.plan.chosen};
  add_mixed(products(state.plan, inner, weights.down), state.plan, state.weights, out.hidden);
  if (saves) record(std::make_shared<ExpertsNode>(weights, std::move(state)), x, all, {out.hidden, out.probabilities});
  return out;
}

}  // namespace dsd
