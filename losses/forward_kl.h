#pragma once
// Forward KL between softened classes (Hinton et al. 2015, "Distilling the knowledge in a neural network",
// arXiv:1503.02531): for each row sum_c p (log p - log q), p = softmax(teacher / T), q = softmax(student / T).
// With t_squared the part is multiplied by T^2, since its gradient shrinks as 1/T^2.

#include "losses/loss.h"

namespace dsd {

class ForwardKl final : public RowLoss {
 public:
  explicit ForwardKl(const ForwardKlConfig& config) : config_(config) {}
  std::string_view name() const override { return ForwardKlConfig::kind; }
  Wanted student_wants() const override { return {}; }
  Wanted teacher_wants() const override { return {}; }
  double count(const Batch& batch) const override;
  Tensor sum(const LossInput& input) const override;
  VocabularyTerms terms(double coefficient) const override { return {.forward = static_cast<float>(coefficient)}; }
  double of(const VocabularyTotals& totals) const override { return totals.forward; }
  double factor(double temperature) const override { return config_.t_squared ? temperature * temperature : 1.0; }

 private:
  ForwardKlConfig config_;
};

}  // namespace dsd
