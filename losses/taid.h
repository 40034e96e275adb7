#pragma once
// Forward KL to a moving target (TAID, Shing et al. 2025, arXiv:2501.16937): for each row KL(p_t || q), q =
// softmax(student / T) and p_t = softmax(((1 - t) student + t teacher) / T), whose student is held fixed: no gradient
// goes through the target. After each step that was applied, step s of S,
//   t <- min(to, max(from + (to - from) s / S, t + rate sigmoid(m) (1 - t))),
//   m <- momentum m + (1 - momentum) (previous - loss) / previous,
// with the loss's mean over the whole step; the first step only sets `previous`. t, m and `previous` are saved.

#include <optional>

#include "losses/rows.h"

namespace dsd {

class Taid final : public SoftenedLoss<TaidConfig> {
 public:
  explicit Taid(const TaidConfig& config) : SoftenedLoss(config), share_(config.from) {}
  Tensor sum(const LossInput& input) const override;
  VocabularyTerms terms(double coefficient) const override {
    return {.forward = static_cast<float>(coefficient), .target_share = static_cast<float>(share_)};
  }
  double of(const VocabularyTotals& totals) const override { return totals.forward; }

  std::vector<std::pair<std::string, double>> in_force() const override { return {{"target_share", share_}}; }
  State state() const override;
  void restore(const State& state) override;
  void after_step(const StepTotals& totals) override;
  double share() const { return share_; }  // t, in force at the next step

 private:
  double share_, trend_ = 0;
  std::optional<double> previous_;
};

}  // namespace dsd
