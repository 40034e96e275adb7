#pragma once
// Reverse KL between softened classes (Gu et al. 2023, "MiniLLM", arXiv:2306.08543): for each row
// sum_c q (log q - log p), p = softmax(teacher / T), q = softmax(student / T). It seeks modes of the teacher where
// forward KL covers them all. With t_squared the part is multiplied by T^2, since its gradient shrinks as 1/T^2.

#include "losses/loss.h"

namespace dsd {

class ReverseKl final : public RowLoss {
 public:
  explicit ReverseKl(const ReverseKlConfig& config) : config_(config) {}
  std::string_view name() const override { return ReverseKlConfig::kind; }
  Wanted student_wants() const override { return {}; }
  Wanted teacher_wants() const override { return {}; }
  double count(const Batch& batch) const override;
  Tensor sum(const LossInput& input) const override;
  double factor(double temperature) const override { return config_.t_squared ? temperature * temperature : 1.0; }
  VocabularyTerms terms(double coefficient) const override { return {.reverse = static_cast<float>(coefficient)}; }
  double of(const VocabularyTotals& totals) const override { return totals.reverse; }

 private:
  ReverseKlConfig config_;
};

}  // namespace dsd
