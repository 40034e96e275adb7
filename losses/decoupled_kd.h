#pragma once
// Decoupled knowledge distillation (Zhao et al. 2022, arXiv:2203.08679). Forward KL of a row with target class y is
// KL(b_p || b_q) + (1 - p_y) KL(p' || q'), where b = (p_y, 1 - p_y) and p' is p over the classes beside y. Here the two
// have weights of their own, whatever the teacher's confidence: target_weight KL(b_p || b_q) + others_weight KL(p' ||
// q'), of classes at temperature T, times T^2 with t_squared. A row without a label takes the teacher's likeliest class
// as its target (as a label that either side masks does). With two classes there is one beside the target, and the
// second part is 0.

#include "losses/rows.h"

namespace dsd {

class DecoupledKd final : public SoftenedLoss<DecoupledKdConfig, Loss> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Reach reach() const override { return Reach::row; }
  Tensor sum(const LossInput& input) const override;
};

}  // namespace dsd
