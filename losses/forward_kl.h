#pragma once
// Forward KL between softened classes (Hinton et al. 2015, "Distilling the knowledge in a neural network",
// arXiv:1503.02531): for each row sum_c p (log p - log q), p = softmax(teacher / T), q = softmax(student / T).
// With t_squared the part is multiplied by T^2, since its gradient shrinks as 1/T^2.

#include "losses/rows.h"

namespace dsd {

class ForwardKl final : public SoftenedLoss<ForwardKlConfig> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Tensor sum(const LossInput& input) const override {
    return total(forward_kl(softened(input, config_.logits)), input);
  }
  VocabularyTerms terms(double coefficient) const override { return {.forward = static_cast<float>(coefficient)}; }
  double of(const VocabularyTotals& totals) const override { return totals.forward; }
};

}  // namespace dsd
