#pragma once
// DistilBERT's cosine loss (Sanh et al. 2019, arXiv:1910.01108): for each token 1 - cos(r(h_S), h_T), summed over the
// pairs of layers; the paper takes the last ones. r is a linear map where the widths differ.

#include "losses/state_loss.h"

namespace dsd {

class Cosine final : public StateLoss {
 public:
  Cosine(const CosineConfig& config, const ModelShapes& shapes);
  std::string_view name() const override { return CosineConfig::kind; }

 private:
  Tensor distance(const Tensor& student, const Tensor& teacher) const override;
};

}  // namespace dsd
