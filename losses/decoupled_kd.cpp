#include "losses/decoupled_kd.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"

namespace dsd {
namespace {

// The class of each row that is told from the others, [N, 1].
Tensor targets(const Labels& labels, const Compared& pair) {
  const Tensor likeliest = pair.p.argmax(-1, true);
  const auto* classes = std::get_if<Classes>(&labels);
  if (classes == nullptr) {
    if (!std::holds_alternative<std::monostate>(labels)) fail("decoupled_kd needs a task whose labels are classes");
    return likeliest;
  }
  const Tensor label = classes->of.to(pair.p.device(), at::kLong).unsqueeze(-1), index = label.clamp_min(0);
  return at::where((label >= 0).logical_and(pair.out.gather(-1, index).logical_not()), index, likeliest);
}

// Log of the probability of all classes that `others` leaves, [N, 1]; -infinity of none, without a NaN in its slope.
Tensor log_total(const Tensor& others) {
  const Tensor most = others.detach().amax(-1, true).clamp_min(-1e30);
  const Tensor total = (others - most).exp().sum(-1, true);  // at least 1, or 0 of none
  return at::where(total > 0, total.clamp_min(0.5).log() + most, at::full({}, -INFINITY, total.options()));
}

}  // namespace

Tensor DecoupledKd::sum(const LossInput& input) const {
  const Compared pair = softened(input, config_.logits);
  const Tensor target = targets(input.batch.labels, pair);
  const Tensor left_out = pair.out.scatter(-1, target, true);
  const auto others = [&](const Tensor& log) { return log.masked_fill(left_out, -INFINITY); };
  const auto binary = [&](const Tensor& log) { return at::cat({log.gather(-1, target), log_total(others(log))}, -1); };
  const Tensor of_target = forward_kl(compared(binary(pair.log_q), binary(pair.log_p)));
  const Tensor of_others = forward_kl(compared(others(pair.log_q), others(pair.log_p)));
  return total(of_target * config_.target_weight + of_others * config_.others_weight, input);
}

}  // namespace dsd
