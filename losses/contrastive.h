#pragma once
// In-batch contrast (InfoNCE, van den Oord et al. 2018, arXiv:1807.03748; between a student and a teacher, Tian et al.
// 2020, "Contrastive representation distillation", arXiv:1910.10699). Of a pool, row i of the student must tell its own
// row of the teacher from those of the other examples: -log softmax_j(s_ij / contrast_temperature) at j = i, where s_ij
// = sum_c sqrt(q_i p_j) is the cosine of the unit vectors sqrt(q_i) and sqrt(p_j) of classes at temperature T: it does
// not change when all logits of a row move together, and serves two classes as well as many. A pool of one gives 0.

#include "losses/rows.h"

namespace dsd {

class Contrastive final : public SoftenedLoss<ContrastiveConfig, Loss> {
 public:
  using SoftenedLoss::SoftenedLoss;
  Reach reach() const override { return Reach::pool; }
  Tensor sum(const LossInput& input) const override;
};

}  // namespace dsd
