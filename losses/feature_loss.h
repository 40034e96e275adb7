#pragma once
// What losses on features share: the matched layers, what they want of the models, and what is known before step 1. A
// unit is a token or a sequence, so that the count is a function of the batch alone; each loss sums over its pairs of
// layers, as the papers do. Nothing is computed for padding: batches are packed.

#include <string>
#include <vector>

#include "losses/layer_map.h"
#include "losses/loss.h"
#include "losses/moments.h"
#include "losses/projector.h"

namespace dsd {

class FeatureLoss : public Loss {
 public:
  // Two sites that are compared.
  struct Match {
    LayerPair layers;
    Site student, teacher;
    std::int64_t student_width = 0, teacher_width = 0;
  };

  Wanted student_wants() const final;
  Wanted teacher_wants() const final;
  Reach reach() const override { return Reach::sequence; }
  double count(const Batch& batch) const override;  // tokens
  double factor(double) const final { return 1.0; }

  // Before step 1 of a run that begins anew: some batches as both models see them, without dropout; then `start`, once.
  void look(const LossInput& input);
  void start();

  // A line for each match: sites, shapes, and how alike they were in what was looked at.
  std::vector<std::string> matches_text() const;

 protected:
  explicit FeatureLoss(std::vector<Match> matches) : matches_(std::move(matches)), moments_(matches_.size()) {}

  const std::vector<Match>& matches() const { return matches_; }
  // The states of a match, the teacher's on the student's device and of its dtype, fp32 at least.
  struct States {
    Tensor student, teacher;
  };
  States states(const LossInput& input, const Match& match) const;

  // What is to follow from the first batches, by match.
  virtual void start_from(std::span<const Moments>) {}
  virtual std::string note(std::size_t) const { return ""; }  // behind a match's line

 private:
  std::vector<Match> matches_;
  std::vector<Moments> moments_;
  std::vector<double> similarity_;  // linear CKA at step 0; empty when nothing was looked at
};

// Matches of one kind of site; `loss` and the default map as in layer_pairs. Queries, keys and values of layer m are
// those of application m - 1. Error(bad_input) for layer 0 of those.
std::vector<FeatureLoss::Match> matches_of(Site::Kind kind, std::span<const LayerPair> pairs, const ModelShapes& shapes,
                                           std::string_view loss);

// Errors as the losses' constructors give them: all faults of layers, widths and heads are found here.
std::unique_ptr<FeatureLoss> make_loss(const FeatureLossConfig& config, const ModelShapes& shapes);

double token_count(const Batch& batch);
double sequence_count(const Batch& batch);
// The sequence of each token, [T] int64 on the given device.
Tensor sequence_of_tokens(const Batch& batch, at::Device device);

}  // namespace dsd
