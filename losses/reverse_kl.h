#pragma once
// Reverse KL between softened classes (Gu et al. 2023, "MiniLLM", arXiv:2306.08543): for each row
// sum_c q (log q - log p), p = softmax(teacher / T), q = softmax(student / T). It seeks modes of the teacher where
// forward KL covers them all. With t_squared the part is multiplied by T^2, since its gradient shrinks as 1/T^2.

#include "losses/rows.h"

namespace dsd {

class ReverseKl final : public SoftenedLoss<ReverseKlConfig> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Tensor sum(const LossInput& input) const override {
    return total(reverse_kl(softened(input, config_.logits)), input);
  }
  VocabularyTerms terms(double coefficient) const override { return {.reverse = static_cast<float>(coefficient)}; }
  double of(const VocabularyTotals& totals) const override { return totals.reverse; }
};

}  // namespace dsd
