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
#include "schedules/schedule.h"

namespace dsd {

// One part as it stands after a step, for the log.
struct PartReport {
  std::string name;                                      // "soft.forward_kl"
  double raw = 0;                                        // sum / total, before factor and weight
  double factor = 1;                                     // temperature squared, or 1
  double weight = 0;                                     // in force at this step
  double share = 0;                                      // of the objective's value
  bool skipped = false;                                  // no unit in the whole step
  std::vector<std::pair<std::string, double>> in_force;  // what else the loss had changed by itself
};

class Objective {
 public:
  // `with_teacher` is false where a run learns from labels alone: the soft part and losses on features are left out and
  // the hard weight counts 1. Losses on features need the models' `shapes`; Error(bad_input) where these do not fit.
  Objective(const LossesConfig& losses, const SchedulesConfig& schedules, bool with_teacher,
            const std::optional<ModelShapes>& shapes = std::nullopt);

  // Adds the balance among the student's experts as a part of this weight, its config's coefficient.
  void add_balance(double coefficient);

  Wanted student_wants() const;
  Wanted teacher_wants() const;
  bool needs_teacher(Progress progress) const;  // false while the weights of all parts that read it are 0
  double temperature(Progress progress) const;

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
  Tensor add(std::span<const Outputs> student, std::span<const TeacherOutputs> teachers, const Batch& batch);
  // Value of the objective over the step, and its parts. Reads the sums from the device once.
  double finish_step(std::vector<PartReport>* parts);
  // Once the optimiser has taken the step: the losses that change from step to step go on.
  void after_step();

  // Of all losses, "PART/NAME"; restore: Error where it is another objective's.
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
  double scale(const Part& part) const;              // weight * factor / total: what its sum is multiplied by
  static const RowLoss* row_loss(const Part& part);  // null: it needs more than one row at a time
  Tensor add_rows(const LossInput& input);           // the row losses of a head over a vocabulary, in one walk
  void count_sum(Part& part, const Tensor& sum);
  bool active(const Part& part) const { return part.total > 0 && part.weight_now > 0; }

  std::vector<Part> parts_;
  ScheduleConfig temperature_;
  std::int64_t tile_rows_;
  Progress progress_;
};

}  // namespace dsd
