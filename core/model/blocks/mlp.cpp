// The MLP block over fp32 rows in host memory: two products, and one pass over the rows after each.
#include <ATen/ATen.h>

#include "core/model/blocks/encoder.h"
#include "core/model/blocks/gradients.h"
#include "core/model/blocks/node.h"
#include "kernels/bias_activation.h"
#include "kernels/gemm.h"
#include "kernels/residual_norm.h"

namespace dsd {
namespace {

struct MlpState {
  Tensor x;           // [Q, H] as the product read it
  Tensor slope;       // [Q, F]
  Tensor activated;   // [Q, F]
  ResidualNorm norm;  // its operands
  NormSaved saved;
};

class MlpNode : public FusedNode {
 public:
  MlpNode(MlpWeights weights, MlpState state) : weights_(std::move(weights)), state_(std::move(state)) {}

 protected:
  Tensor backward(torch::autograd::variable_list& gradients, bool wants_input) override {
    const at::ScalarType type = state_.x.scalar_type();
    const Tensor gradient = gradients[0].contiguous();
    const auto [residual, branch] = residual_norm_backward(
        gradient, state_.norm, state_.saved, type,
        {gradient_or_none(weights_.gain), gradient_or_none(weights_.bias), gradient_or_none(weights_.down_bias)});
    add_product_gradient(weights_.down, branch, state_.activated);
    const Tensor d_activated = at::empty_like(state_.slope);
    gemm(branch, matrix_of(weights_.down), d_activated, false);
    const Tensor d_up = bias_activation_backward(d_activated, state_.slope, type, gradient_or_none(weights_.up_bias));
    add_product_gradient(weights_.up, d_up, state_.x);
    if (!wants_input) return {};
    gemm(d_up, matrix_of(weights_.up), residual, true);
    return residual;
  }
  void release() override { state_ = {}; }

 private:
  MlpWeights weights_;
  MlpState state_;
};

}  // namespace

Tensor mlp_block(const Tensor& x, const PackedRows& rows, const MlpWeights& weights, Activation activation,
                 double epsilon, const BlockDropout& dropout) {
  if (!x.is_cpu() || x.scalar_type() != at::kFloat)
    return plain::mlp_block(x, rows, weights, activation, epsilon, dropout);
  const std::vector<const Weight*> all{&weights.up,        &weights.up_bias, &weights.down,
                                       &weights.down_bias, &weights.gain,    &weights.bias};
  const bool saves = needs_backward(x, all);
  const at::NoGradGuard no_grad;
  const Tensor input = x.contiguous();
  const Tensor &up = matrix_of(weights.up), &down = matrix_of(weights.down);
  MlpState state;
  state.x = input.detach().to(up.scalar_type());
  state.slope = at::empty({x.size(0), up.size(0)}, at::kFloat);
  gemm(state.x, up.t(), state.slope, false);
  state.activated = bias_activation(state.slope, weights.up_bias.master, activation, saves, up.scalar_type());
  const Tensor branch = at::empty({x.size(0), down.size(0)}, at::kFloat);
  gemm(state.activated, down.t(), branch, false);
  state.norm = {.residual = input.detach(),
                .residual_rows = {},
                .branch = branch,
                .branch_bias = weights.down_bias.master,
                .gain = weights.gain.master,
                .bias = weights.bias.master,
                .places = rows.places,
                .positions = rows.positions,
                .kind = NormKind::layer,
                .epsilon = epsilon,
                .dropout = make_dropout(dropout.hidden, dropout.key)};
  const Tensor out = residual_norm(state.norm, saves ? &state.saved : nullptr);
  if (!saves) return out;
  state.norm.residual = state.norm.branch = Tensor();
  record(std::make_shared<MlpNode>(weights, std::move(state)), x, all, {out});
  return out;
}

}  // namespace dsd
