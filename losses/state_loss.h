#pragma once
// Losses that compare states of matched layers token by token, after a projector where widths differ. A projector
// serves all pairs of a loss, or one pair each.

#include <vector>

#include "losses/feature_loss.h"

namespace dsd {

class StateLoss : public FeatureLoss {
 public:
  Reach reach() const final { return Reach::row; }
  Tensor sum(const LossInput& input) const final;
  std::span<Parameter> parameters() final { return parameters_; }

 protected:
  StateLoss(std::vector<Match> matches, const ProjectorConfig& config, bool shared, const ModelShapes& shapes,
            std::string_view loss);

  // Summed over tokens, [T, W] each.
  virtual Tensor distance(const Tensor& student, const Tensor& teacher) const = 0;

 private:
  void start_from(std::span<const Moments> moments) final;
  std::string note(std::size_t match) const final { return projector_of(match).describe(); }
  const Projector& projector_of(std::size_t match) const { return projectors_[projectors_.size() == 1 ? 0 : match]; }

  std::vector<Projector> projectors_;  // one, or one for each match
  std::vector<Parameter> parameters_;
};

}  // namespace dsd
