#pragma once
// DIST (Huang et al. 2022, "Knowledge distillation from a stronger teacher", arXiv:2205.10536): correlations in place
// of equality. Of a pool of n examples with p = softmax(teacher / T), q = softmax(student / T): inter_weight (1 -
// Pearson over the classes of a row), a mean over rows, and intra_weight (1 - Pearson over the rows of a class), a mean
// over classes. A pool counts by its examples; one of a single example has no second part. Masked classes have no part.
// With t_squared the loss is multiplied by T^2 as by the authors, though a correlation does not shrink with T. With two
// classes the first part is 0 or 2 whatever the student does in between: the second alone teaches.

#include "losses/rows.h"

namespace dsd {

class Dist final : public SoftenedLoss<DistConfig, Loss> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Reach reach() const override { return Reach::pool; }
  Tensor sum(const LossInput& input) const override;
};

}  // namespace dsd
