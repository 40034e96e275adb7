#pragma once
// Total variation between softened classes (Wen et al. 2023, "f-divergence minimization for sequence-level knowledge
// distillation", arXiv:2307.15190): for each row sum_c |p - q| / 2, p = softmax(teacher / T), q = softmax(student / T).
// From 0 to 1 whatever the temperature; its gradient shrinks as 1/T, and no factor makes up for it.

#include "losses/rows.h"

namespace dsd {

class TotalVariation final : public SoftenedLoss<TotalVariationConfig> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Tensor sum(const LossInput& input) const override {
    return total(total_variation(softened(input, config_.logits)), input);
  }
  VocabularyTerms terms(double coefficient) const override {
    return {.total_variation = static_cast<float>(coefficient)};
  }
  double of(const VocabularyTotals& totals) const override { return totals.total_variation; }
};

}  // namespace dsd
