#pragma once
// FitNets' hint (Romero et al. 2015, arXiv:1412.6550, eq. 3): for each token 1/2 |r(h_S) - h_T|^2, summed over the
// width, of a layer in the middle of each model; r is a linear map where the widths differ.

#include "losses/state_loss.h"

namespace dsd {

class FitNet final : public StateLoss {
 public:
  FitNet(const FitNetConfig& config, const ModelShapes& shapes);
  std::string_view name() const override { return FitNetConfig::kind; }

 private:
  Tensor distance(const Tensor& student, const Tensor& teacher) const override;
};

}  // namespace dsd
