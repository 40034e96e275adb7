#include "losses/expert_balance.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace dsd {
namespace {

// One layer's loss, each sequence times its tokens. `sequence` [T] tells a row's, `lengths` [S, 1] their tokens.
Tensor layer_sum(const Routing& routing, const Tensor& sequence, const Tensor& lengths) {
  const Tensor& p = routing.probabilities;
  const std::int64_t experts = p.size(1), chosen = routing.chosen.size(1);
  const Tensor choices = at::zeros_like(p).scatter_(1, routing.chosen.to(at::kLong), 1.0);
  const auto by_sequence = [&](const Tensor& rows) {
    return at::zeros({lengths.size(0), experts}, p.options().requires_grad(false)).index_add(0, sequence, rows);
  };
  const Tensor products = by_sequence(choices.detach()) * by_sequence(p) / lengths;
  return products.sum() * (static_cast<double>(experts) / static_cast<double>(chosen));
}

}  // namespace

double ExpertBalance::count(const Batch& batch) const { return static_cast<double>(batch.streams.at(0).tokens()); }

Tensor ExpertBalance::sum(const LossInput& input) const {
  const auto& routing = input.student[0].routing;
  if (routing.empty()) fail("the model has no experts, so there is no balance among them to train");
  const Sequences& text = input.batch.streams.at(0);
  const at::Device device = routing[0].probabilities.device();
  const Tensor lengths = (text.offsets.slice(0, 1) - text.offsets.slice(0, 0, -1)).to(at::kLong);
  const Tensor sequence = at::repeat_interleave(lengths).to(device);
  const Tensor divisor = lengths.clamp_min(1).to(routing[0].probabilities.options().requires_grad(false)).unsqueeze(1);
  Tensor total;
  for (const Routing& layer : routing) {
    const Tensor sum = layer_sum(layer, sequence, divisor);
    total = total.defined() ? total + sum : sum;
  }
  return total / static_cast<double>(routing.size());
}

}  // namespace dsd
