#pragma once
// Skewed divergences of DistiLLM (Ko et al. 2024, arXiv:2402.03898), between softened classes p = softmax(teacher / T),
// q = softmax(student / T) and the mixture m = share p + (1 - share) q: for each row KL(p || m) (`skew_kl`, the paper's
// alpha is the share: 0.1) and KL(q || m) (`skew_reverse_kl`, alpha is 1 - share: 0.1). Both are divergences, 0 where
// p = q, and bounded where KL is not. With t_squared the part is multiplied by T^2.

#include "losses/rows.h"

namespace dsd {

class SkewKl final : public SoftenedLoss<SkewKlConfig> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Tensor sum(const LossInput& input) const override {
    return total(teacher_to_mixed(softened(input, config_.logits), config_.teacher_share), input);
  }
  VocabularyTerms terms(double coefficient) const override {
    return {.skew = static_cast<float>(coefficient), .teacher_share = static_cast<float>(config_.teacher_share)};
  }
  double of(const VocabularyTotals& totals) const override { return totals.skew; }
};

class SkewReverseKl final : public SoftenedLoss<SkewReverseKlConfig> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Tensor sum(const LossInput& input) const override {
    return total(student_to_mixed(softened(input, config_.logits), config_.teacher_share), input);
  }
  VocabularyTerms terms(double coefficient) const override {
    return {.skew_reverse = static_cast<float>(coefficient),
            .teacher_share = static_cast<float>(config_.teacher_share)};
  }
  double of(const VocabularyTotals& totals) const override { return totals.skew_reverse; }
};

}  // namespace dsd
