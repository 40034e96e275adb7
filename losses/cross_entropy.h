#pragma once
// Cross-entropy against labels: for each row that has a class, -log softmax(student)[class]. Label smoothing eps
// spreads its share evenly over all classes (Szegedy et al. 2016, arXiv:1512.00567).

#include "losses/loss.h"

namespace dsd {

class CrossEntropy final : public Loss {
 public:
  explicit CrossEntropy(const CrossEntropyConfig& config) : config_(config) {}
  std::string_view name() const override { return CrossEntropyConfig::kind; }
  Wanted student_wants() const override { return {}; }
  Wanted teacher_wants() const override { return {.heads = false}; }
  Reach reach() const override { return Reach::row; }
  double count(const Batch& batch) const override;
  Tensor sum(const LossInput& input) const override;
  double factor(double) const override { return 1.0; }

 private:
  CrossEntropyConfig config_;
};

}  // namespace dsd
