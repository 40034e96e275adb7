#pragma once
// Cross-entropy between softened classes (Hinton et al. 2015, arXiv:1503.02531): for each row -sum_c p log q, p =
// softmax(teacher / T), q = softmax(student / T). Its gradient is forward KL's; its value is that and the teacher's
// entropy, so it does not fall to 0. With t_squared the part is multiplied by T^2.

#include "losses/rows.h"

namespace dsd {

class SoftCrossEntropy final : public SoftenedLoss<SoftCrossEntropyConfig> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Tensor sum(const LossInput& input) const override {
    return total(soft_cross_entropy(softened(input, config_.logits)), input);
  }
  VocabularyTerms terms(double coefficient) const override {
    return {.soft_cross_entropy = static_cast<float>(coefficient)};
  }
  double of(const VocabularyTotals& totals) const override { return totals.soft_cross_entropy; }
};

}  // namespace dsd
