#pragma once
// Patient knowledge distillation (Sun et al. 2019, arXiv:1908.09355, eq. 7): for each sequence, of its first token,
//   sum over pairs of layers | h_S / |h_S| - h_T / |h_T| |^2 = 2 (1 - cos),
// the student's last layer left out. Encoders of one width: a decoder's first token sees nothing but itself.

#include "losses/feature_loss.h"

namespace dsd {

class Patient final : public FeatureLoss {
 public:
  Patient(const PatientConfig& config, const ModelShapes& shapes);
  std::string_view name() const override { return PatientConfig::kind; }
  double count(const Batch& batch) const override { return sequence_count(batch); }
  Tensor sum(const LossInput& input) const override;
};

}  // namespace dsd
