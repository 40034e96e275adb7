#pragma once
// MiniLM: relations between tokens in place of states, so that widths may differ. For each token
//   v1 (Wang et al. 2020, arXiv:2002.10957)  mean over attention heads of KL(A_T || A_S) + KL(V_T || V_S), where
//      A = softmax(Q K^T / sqrt(D)) and V = softmax(V V^T / sqrt(D)): both models have the same number of heads
//   v2 (Wang et al. 2021, arXiv:2012.15828)  sum over queries, keys and values X of weight_X times the mean over
//      relation heads of KL(R_T || R_S), R = softmax(X X^T / sqrt(D_r)), X shared out anew to `relation_heads` heads of
//      width D_r on each side
// summed over the pairs of layers; the papers take one pair, the student's last layer with the teacher's last (v1) or
// one that is chosen (v2: 21 of BERT-large's 24).

#include "losses/feature_loss.h"

namespace dsd {

class MiniLm final : public FeatureLoss {
 public:
  MiniLm(const MiniLmConfig& config, const ModelShapes& shapes);
  std::string_view name() const override { return MiniLmConfig::kind; }
  Tensor sum(const LossInput& input) const override;

 private:
  std::int64_t heads_;
  std::size_t pairs_;  // matches are queries' pairs, then keys', then values'
};

class MiniLm2 final : public FeatureLoss {
 public:
  MiniLm2(const MiniLm2Config& config, const ModelShapes& shapes);
  std::string_view name() const override { return MiniLm2Config::kind; }
  Tensor sum(const LossInput& input) const override;

 private:
  std::vector<double> weights_;  // of each match
  std::int64_t heads_;
};

}  // namespace dsd
