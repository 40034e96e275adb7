#pragma once
// Generalised Jensen-Shannon divergence (Agarwal et al. 2023, "On-policy distillation of language models",
// arXiv:2306.13649): for each row, with p = softmax(teacher / T), q = softmax(student / T) and m = share p + (1 -
// share) q, share KL(p || m) + (1 - share) KL(q || m). It is bounded, and tends to 0 as share tends to 0 or 1;
// `continuous` divides it by share (1 - share), so that it tends to forward KL and to reverse KL there.

#include "losses/rows.h"

namespace dsd {

class GeneralisedJsd final : public SoftenedLoss<GeneralisedJsdConfig> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Tensor sum(const LossInput& input) const override {
    const double share = config_.teacher_share;
    const Compared pair = softened(input, config_.logits);
    return total(teacher_to_mixed(pair, share) * share + student_to_mixed(pair, share) * (1 - share), input) * scale();
  }
  VocabularyTerms terms(double coefficient) const override {
    return {.jensen_shannon = static_cast<float>(coefficient * scale()),
            .teacher_share = static_cast<float>(config_.teacher_share)};
  }
  double of(const VocabularyTotals& totals) const override { return totals.jensen_shannon * scale(); }

 private:
  double scale() const { return config_.continuous ? 1 / (config_.teacher_share * (1 - config_.teacher_share)) : 1.0; }
};

}  // namespace dsd
