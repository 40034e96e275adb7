#pragma once
// The objective: losses with their weights, and the one normaliser (design section 1, rule 3). A part's units are
// totalled over the whole optimiser step before the first forward; each micro-batch adds weight * factor * sum / total,
// so gradients are final as they are added and no cut of the batch changes them.

#include <memory>
#include <string>
#include <vector>

#include "core/recipe/recipe.h"
#include "losses/feature_loss.h"
#include "losses/loss.h"
#include "losses/temperature.h"
#include "losses/vocabulary_head.h"
#include "schedules/schedule.h"

namespace dsd {

// A pass over a step's batches, where a step has several: how much of it is learned from, and whether its losses are
// the parts that are reported (an adversary's are not). Of a pass for the divergence only what the teacher's output
// tells has a part.
struct PassUse {
  double share = 1;
  bool counted = true;
  bool divergence = false;
};

// One part as it stands after a step, for the log.
struct PartReport {
  std::string name;   // "soft.forward_kl"
  double raw = 0;     // sum / total, before factor and weight; where temperatures differ, weighted by the rows' factors
  double factor = 1;  // temperature squared, or 1; where temperatures differ, the mean over the rows
  double weight = 0;  // in force at this step
  double share = 0;   // of the objective's value
  bool skipped = false;                                  // no unit in the whole step
  std::vector<std::pair<std::string, double>> in_force;  // what else the loss had changed by itself
};

class Objective {
 public:
  // `with_teacher` is false where a run learns from labels alone: the soft part and losses on features are left out and
  // the hard weight counts 1. Losses on features need the models' `shapes`; Error(bad_input) where these do not fit.
  Objective(const LossesConfig& losses, bool with_teacher, const std::optional<ModelShapes>& shapes = std::nullopt);

  // Adds the balance among the student's experts as a part of this weight, its config's coefficient.
  void add_balance(double coefficient);

  Wanted student_wants() const;
  Wanted teacher_wants() const;
  bool needs_teacher(Progress progress) const;  // false while the weights of all parts that read it are 0

  // What the losses train beside the student.
  std::vector<Parameter> parameters() const;

  // Losses on features before step 1: some batches as both models see them, then `start`, once (a run that is resumed
  // has their parameters from its checkpoint). `matches` is a line for each pair of layers, for people.
  bool has_features() const;
  void look(const Outputs& student, const TeacherOutputs& teacher, const Batch& batch);
  void start();
  std::vector<std::string> matches() const;

  // A step: begin with all its micro-batches, add each, read the report.
  void begin_step(std::span<const Batch> micro_batches, Progress progress);
  // Several times for the passes of a micro-batch. Undefined where nothing is minimised.
  Tensor add(std::span<const Outputs> student, std::span<const TeacherOutputs> teachers, const Batch& batch,
             const PassUse& use = {});
  // share times the mean over the step's rows of how far the student's outputs of two passes are apart: KL(p || q) +
  // KL(q || p), or the squared difference of values. The gradient goes to both.
  Tensor smoothness(const Outputs& one, const Outputs& other, const Batch& batch, double share) const;
  // Value of the objective over the step, and its parts. Reads the sums from the device once.
  double finish_step(std::vector<PartReport>* parts);
  TemperatureReport temperature() const { return temperature_->report(); }  // of the step's rows

  // Once the optimiser has taken the step: the losses and the temperature that change from step to step go on.
  void after_step();

  // Of the temperature and of all losses, "temperature/NAME" and "PART/NAME", for a checkpoint; restore: Error where it
  // is another objective's.
  State state() const;
  void restore(const State& state);

 private:
  struct Part {
    std::string name;
    std::unique_ptr<Loss> loss;
    ScheduleConfig weight;
    bool soft = false;
    FeatureLoss* features = nullptr;  // the loss, where it is one on features
    double total = 0;
    double weight_now = 0;
    double mean = 0;  // of the step that was finished
    Tensor sum;       // of the step so far, detached, float64
  };
  void add_features(const std::vector<FeaturePart>& features, const ModelShapes& shapes);
  // share * weight * factor / total: what its sum is multiplied by
  double scale(const Part& part, const PassUse& use) const;
  static const RowLoss* row_loss(const Part& part);             // null: it needs more than one row at a time
  Tensor add_rows(const LossInput& input, const PassUse& use);  // those of a head over a vocabulary, in one walk
  void set_teacher(VocabularyWork& work, const Part& part, const LossInput& input) const;
  bool squares(const Part& part) const { return part.loss->factor(2) != 1; }
  bool soft_now() const;
  static void count_sum(Part& part, const Tensor& sum, const PassUse& use);
  static bool active(const Part& part) { return part.total > 0 && part.weight_now > 0; }
  static bool active(const Part& part, const PassUse& use) { return active(part) && (part.soft || !use.divergence); }

  std::vector<Part> parts_;
  std::unique_ptr<Temperature> temperature_;
  std::int64_t tile_rows_;
  double rows_ = 0;  // that the first head reads in the whole step
  Progress progress_;
};

}  // namespace dsd
