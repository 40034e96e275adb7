#pragma once
// TinyBERT's attention loss (Jiao et al. 2020, arXiv:1909.10351, eq. 7): for each token and head the mean over the
// sequence's keys of (A_S - A_T)^2, A = QK^T / sqrt(D) before the softmax, averaged over heads and summed over the
// pairs of layers. Over real tokens only: the authors' code counts padding in.

#include "losses/feature_loss.h"

namespace dsd {

// Error(bad_input), naming `loss`, where the models' attention maps cannot be compared head by head.
void check_same_heads(const ModelShapes& shapes, std::string_view loss);

class AttentionMap final : public FeatureLoss {
 public:
  AttentionMap(const AttentionConfig& config, const ModelShapes& shapes);
  std::string_view name() const override { return AttentionConfig::kind; }
  Tensor sum(const LossInput& input) const override;

 private:
  std::int64_t heads_;
  std::size_t pairs_;  // matches are queries' pairs, then keys'
};

}  // namespace dsd
