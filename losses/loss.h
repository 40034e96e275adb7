#pragma once
// What the objective knows of a loss (design section 1, rule 3): it returns a sum over its units (rows, sequences,
// groups); how many units there are is a function of the batch alone, totalled over the whole optimiser step before the
// first forward. The objective scales each part by weight / total, so that cutting a batch changes nothing but
// rounding.

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/types/batch.h"
#include "core/types/outputs.h"
#include "kernels/vocabulary_row.h"
#include "losses/configs.h"
#include "losses/temperatures.h"
#include "schedules/schedule.h"

namespace dsd {

enum class Reach { row, sequence, group, pool };  // how far apart the things are that a loss compares

struct LossInput {
  std::span<const Outputs> student;  // passes: clean; later a second dropout, a perturbed one
  std::span<const TeacherOutputs> teachers;
  const Batch& batch;
  Temperatures temperature;  // in force at this step
  Progress progress;
};

// What a loss has to remember across a resume: tensors by name.
using State = std::map<std::string, Tensor>;

// Of a step that was applied, over all its micro-batches.
struct StepTotals {
  double mean = 0;    // of the loss: sum / count, before factor and weight
  double count = 0;   // units
  Progress progress;  // where the step stood
};

class Loss {
 public:
  virtual ~Loss() = default;
  virtual std::string_view name() const = 0;
  virtual Wanted student_wants() const = 0;
  virtual Wanted teacher_wants() const = 0;
  virtual Reach reach() const = 0;
  virtual double count(const Batch& batch) const = 0;  // units in this batch; 0: it has no part
  // Scalar, fp32 or float64, differentiable. Where rows' temperatures differ it is sum_rows (losses/temperatures.h).
  virtual Tensor sum(const LossInput& input) const = 0;
  // What the raw value is multiplied by beside its weight, for the log: temperature squared, or 1.
  virtual double factor(double temperature) const = 0;
  // What it trains beside the student (projectors), with names of its own: by the same optimiser, saved in checkpoints,
  // never exported.
  virtual std::span<Parameter> parameters() { return {}; }

  // Settings of its own that change as training goes, by name, as they are at this step: for the log.
  virtual std::vector<std::pair<std::string, double>> in_force() const { return {}; }

  // What changes from step to step: a function of the totals of the steps before, so that no cut of a batch changes it.
  virtual void after_step(const StepTotals&) {}
  virtual State state() const { return {}; }
  virtual void restore(const State&) {}  // what state() gave; Error where it lacks something
};

// A loss of each row alone, which a head over a vocabulary evaluates in one walk with the other row losses
// (losses/vocabulary_head.h); on dense scores it is a loss as any other.
class RowLoss : public Loss {
 public:
  // Its own term with the given coefficient; the others stay 0.
  virtual VocabularyTerms terms(double coefficient) const = 0;
  // Its sum among those of a walk.
  virtual double of(const VocabularyTotals& totals) const = 0;
  Reach reach() const final { return Reach::row; }
};

std::unique_ptr<Loss> make_loss(const SoftLossConfig& config);
std::unique_ptr<Loss> make_loss(const HardLossConfig& config);

}  // namespace dsd
