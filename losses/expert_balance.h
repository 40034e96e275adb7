#pragma once
// Balance of a mixture of experts (Switch Transformers, Fedus et al. 2021, arXiv:2101.03961, eq. 4; GShard's groups,
// Lepikhin et al. 2020, arXiv:2006.16668): E sum_e f_e P_e, where f_e is the share of a group's choices that fall to
// expert e and P_e its mean probability; 1 where they are even. A group is a sequence, so that no cut of a batch
// changes the loss; sequences count by their tokens, and layers alike.

#include "losses/loss.h"

namespace dsd {

class ExpertBalance final : public Loss {
 public:
  std::string_view name() const override { return "expert_balance"; }
  Wanted student_wants() const override { return {.heads = false, .sites = {}, .routing = true}; }
  Wanted teacher_wants() const override { return {.heads = false, .sites = {}}; }
  Reach reach() const override { return Reach::sequence; }
  double count(const Batch& batch) const override;
  Tensor sum(const LossInput& input) const override;
  double factor(double) const override { return 1.0; }
};

}  // namespace dsd
