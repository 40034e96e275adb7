// The reference of the mixture of experts, in LibTorch operations, one expert after the other.
#include <ATen/ATen.h>

#include "core/model/blocks/decoder.h"
#include "core/model/blocks/experts.h"
#include "core/model/blocks/products.h"

namespace dsd::plain {
namespace {

// Each expert's matrix of a stacked weight.
std::vector<Weight> apart(const Weight& stacked, std::int64_t experts) {
  const auto pieces = [&](const Tensor& matrix) {
    return matrix.view({experts, matrix.size(0) / experts, matrix.size(1)}).unbind(0);
  };
  std::vector<Weight> weights(static_cast<std::size_t>(experts));
  const auto masters = pieces(stacked.master);
  for (std::size_t e = 0; e < weights.size(); ++e) weights[e].master = masters[e];
  if (!stacked.shadow.defined()) return weights;
  const auto shadows = pieces(stacked.shadow);
  for (std::size_t e = 0; e < weights.size(); ++e) weights[e].shadow = shadows[e];
  return weights;
}

}  // namespace

ExpertsOutput experts_block(const Tensor& x, const ExpertWeights& weights, const ExpertShape& shape) {
  const Tensor normal = plain::scale_norm_block(x, weights.gain, shape.epsilon);
  const Tensor probabilities = at::softmax(at::linear(normal, weights.router.master), 1);
  auto [share, chosen] = at::topk(probabilities, shape.chosen, 1);
  if (shape.chosen > 1) share = share / share.sum(1, true);
  const auto gate_up = apart(weights.gate_up, shape.experts), down = apart(weights.down, shape.experts);
  Tensor hidden = x;
  for (std::int64_t expert = 0; expert < shape.experts; ++expert) {
    const auto e = static_cast<std::size_t>(expert);
    const Tensor found = (chosen == expert).nonzero(), rows = found.select(1, 0);
    const Tensor flat = rows * shape.chosen + found.select(1, 1);
    const Tensor both = linear(normal.index_select(0, rows), gate_up[e], {});
    const std::int64_t width = both.size(1) / 2;
    const Tensor out = linear(at::silu(both.narrow(1, 0, width)) * both.narrow(1, width, width), down[e], {});
    hidden = hidden.index_add(0, rows, out * share.reshape({-1}).index_select(0, flat).unsqueeze(1));
  }
  return {hidden, probabilities, chosen.to(at::kInt)};
}

}  // namespace dsd::plain
