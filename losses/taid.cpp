#include "losses/taid.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace dsd {

Tensor Taid::sum(const LossInput& input) const {
  const Tensor student = student_logits(input);
  Tensor target = teacher_logits(input);
  // At 1 the student has no part, and 0 times a masked class of it would be NaN.
  if (share_ < 1) target = student.detach() * (1 - share_) + target * share_;
  return total(forward_kl(compared(student / input.temperature, target / input.temperature)), input);
}

void Taid::after_step(const StepTotals& totals) {
  if (previous_) {
    const double fall = (*previous_ - totals.mean) / (*previous_ + 1e-15);
    trend_ = config_.momentum * trend_ + (1 - config_.momentum) * fall;
    const double done = static_cast<double>(totals.progress.step) / static_cast<double>(totals.progress.steps);
    const double line = config_.from + (config_.to - config_.from) * done;
    const double grown = share_ + config_.rate / (1 + std::exp(-trend_)) * (1 - share_);
    share_ = std::min(config_.to, std::max(line, grown));
  }
  previous_ = totals.mean;
}

State Taid::state() const {
  const auto number = [](double value) { return at::scalar_tensor(value, at::kDouble); };
  State state{{"share", number(share_)}, {"trend", number(trend_)}};
  if (previous_) state.emplace("previous", number(*previous_));
  return state;
}

void Taid::restore(const State& state) {
  const auto number = [&](const char* name) {
    const auto found = state.find(name);
    if (found == state.end()) fail("the state of {} lacks '{}'", TaidConfig::kind, name);
    return found->second.item<double>();
  };
  share_ = number("share");
  trend_ = number("trend");
  previous_.reset();
  if (state.contains("previous")) previous_ = number("previous");
}

}  // namespace dsd
