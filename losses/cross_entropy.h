#pragma once
// Cross-entropy against labels: for each row that has a class, -log softmax(student)[class]. Label smoothing eps
// spreads its share evenly over all classes (Szegedy et al. 2016, arXiv:1512.00567).

#include "losses/loss.h"

namespace dsd {

class CrossEntropy final : public RowLoss {
 public:
  explicit CrossEntropy(const CrossEntropyConfig& config) : config_(config) {}
  std::string_view name() const override { return CrossEntropyConfig::kind; }
  Wanted student_wants() const override { return {}; }
  Wanted teacher_wants() const override { return {.heads = false}; }
  double count(const Batch& batch) const override;
  Tensor sum(const LossInput& input) const override;
  VocabularyTerms terms(double coefficient) const override {
    return {.cross_entropy = static_cast<float>(coefficient),
            .label_smoothing = static_cast<float>(config_.label_smoothing)};
  }
  double of(const VocabularyTotals& totals) const override { return totals.cross_entropy; }
  double factor(double) const override { return 1.0; }

 private:
  CrossEntropyConfig config_;
};

}  // namespace dsd
