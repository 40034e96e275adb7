#pragma once
// The objective: losses with their weights, and the one normaliser (design section 1, rule 3). A part's units are
// totalled over the whole optimiser step before the first forward; each micro-batch adds weight * factor * sum / total,
// so gradients are final as they are added and no cut of the batch changes them.

#include <memory>
#include <string>
#include <vector>

#include "core/recipe/recipe.h"
#include "losses/loss.h"
#include "schedules/schedule.h"

namespace dsd {

// One part as it stands after a step, for the log.
struct PartReport {
  std::string name;      // "soft.forward_kl"
  double raw = 0;        // sum / total, before factor and weight
  double factor = 1;     // temperature squared, or 1
  double weight = 0;     // in force at this step
  double share = 0;      // of the objective's value
  bool skipped = false;  // no unit in the whole step
};

class Objective {
 public:
  // `with_teacher` is false where a run learns from labels alone: the soft part is left out and the hard weight
  // counts 1.
  Objective(const LossesConfig& losses, bool with_teacher);

  Wanted student_wants() const;
  Wanted teacher_wants() const;
  bool needs_teacher(Progress progress) const;  // false while the soft weight is 0
  double temperature(Progress progress) const;

  // A step: begin with all its micro-batches, add each, read the report.
  void begin_step(std::span<const Batch> micro_batches, Progress progress);
  Tensor add(std::span<const Outputs> student, std::span<const TeacherOutputs> teachers, const Batch& batch);
  // Value of the objective over the step, and its parts. Reads the sums from the device once.
  double finish_step(std::vector<PartReport>* parts);

 private:
  struct Part {
    std::string name;
    std::unique_ptr<Loss> loss;
    ScheduleConfig weight;
    bool soft = false;
    double total = 0;
    double weight_now = 0;
    Tensor sum;  // of the step so far, detached, float64
  };
  double scale(const Part& part) const;     // weight * factor / total: what its sum is multiplied by
  Tensor add_rows(const LossInput& input);  // the row losses of a head over a vocabulary, in one walk
  void count_sum(Part& part, const Tensor& sum);
  bool active(const Part& part) const { return part.total > 0 && part.weight_now > 0; }

  std::vector<Part> parts_;
  ScheduleConfig temperature_;
  std::int64_t tile_rows_;
  Progress progress_;
};

}  // namespace dsd
