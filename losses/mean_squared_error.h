#pragma once
// Mean squared error. Against a teacher: for each row the mean over classes of (student - scale * teacher)^2 on raw
// logits, no temperature (Kim et al. 2021, arXiv:2105.08919; a scale that grows to 1 is annealing, Jafari et al. 2021,
// arXiv:2104.07163); a class that either side masks has no part. Against labels: (student
// - value)^2 for rows that have a value.

#include "losses/rows.h"

namespace dsd {

class LogitMeanSquaredError final : public SoftenedLoss<LogitMeanSquaredErrorConfig, Loss> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Reach reach() const override { return Reach::row; }
  Tensor sum(const LossInput& input) const override;
};

class ValueMeanSquaredError final : public Loss {
 public:
  std::string_view name() const override { return MeanSquaredErrorConfig::kind; }
  Wanted student_wants() const override { return {}; }
  Wanted teacher_wants() const override { return {.heads = false}; }
  Reach reach() const override { return Reach::row; }
  double count(const Batch& batch) const override;
  Tensor sum(const LossInput& input) const override;
  double factor(double) const override { return 1.0; }
};

}  // namespace dsd
