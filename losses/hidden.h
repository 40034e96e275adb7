#pragma once
// TinyBERT's hidden and embedding losses (Jiao et al. 2020, arXiv:1909.10351, eq. 8 and 9): for each token the mean
// over the width of (h_S W + b - h_T)^2, summed over the pairs of layers; the paper has one W for all layers. The
// embedding loss compares what enters the first layer.

#include "losses/state_loss.h"

namespace dsd {

class Hidden final : public StateLoss {
 public:
  Hidden(const HiddenConfig& config, const ModelShapes& shapes);
  Hidden(const EmbeddingConfig& config, const ModelShapes& shapes);
  std::string_view name() const override { return name_; }

 private:
  Tensor distance(const Tensor& student, const Tensor& teacher) const override;

  std::string_view name_;
};

}  // namespace dsd
