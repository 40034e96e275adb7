#pragma once
// Attention transfer (Zagoruyko & Komodakis 2017, arXiv:1612.03928, eq. 2), over a sequence's tokens in place of an
// image's pixels: v_t = sum_c h_tc^2, and for each sequence | v_S / |v_S| - v_T / |v_T| |^2 (the square, as in the
// authors' code), summed over the pairs of layers. Widths may differ.

#include "losses/feature_loss.h"

namespace dsd {

class AttentionTransfer final : public FeatureLoss {
 public:
  AttentionTransfer(const AttentionTransferConfig& config, const ModelShapes& shapes);
  std::string_view name() const override { return AttentionTransferConfig::kind; }
  double count(const Batch& batch) const override { return sequence_count(batch); }
  Tensor sum(const LossInput& input) const override;
};

}  // namespace dsd
