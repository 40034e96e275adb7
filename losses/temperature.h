#pragma once
// The temperature of a run (losses.temperature): one number a step, or each row its own by how hard it is. Difficulty d
// is measured from the logits themselves and never carries a gradient; a row's temperature is
//   T = clamp(base + strength (d - mean), min, max) with direction harder_softer, base - strength (d - mean) with
// harder_sharper, and `mean` is a running one over the steps before (in the first step T = base), so that no cut of a
// batch changes it. A row's loss is multiplied by its own T^2.
//   flsw    d = (1 - cos(student, teacher))^power     (Wen et al. 2019, "Preparing lessons", arXiv:1911.07471; its
//   cwsm    d = 1 / (max softmax(student) + 0.001)     direction is harder_sharper, its mean that of the batch)
//   entropy d = (H_T + H_T H_S / log C) / 2            (EA-KD, Su et al. 2023, arXiv:2311.13621, where d is the row's
//           weight: `reweigh`)
//   class_difficulty: of a row's class, the running mean of 1 - softmax(student)[label] over the steps before, against
//           the mean of all classes seen so far; a row without a label, or of a class never seen, has `base`
//   learned T = min + (max - min) sigmoid(theta), theta climbing the objective while the student descends it (CTKD, Li
//           et al. 2023, arXiv:2211.16231, with the reversal that its ports lost)

#include <memory>
#include <optional>
#include <string>

#include "losses/loss.h"
#include "schedules/temperature_configs.h"

namespace dsd {

// Over the rows of a step.
struct TemperatureReport {
  double least = 1, mean = 1, largest = 1;
  // The means of what rows' losses were multiplied by, with the temperature squared and without.
  double squared_factor = 1, plain_factor = 1;
  bool differ = false;  // whether rows may differ
};

// What a micro-batch showed of its rows.
struct RowsSeen {
  Tensor temperatures, difficulties;  // [N]
  Tensor labels;                      // [N], -1 none; undefined: no classes
  std::int64_t classes = 0;
};

class Temperature {
 public:
  virtual ~Temperature() = default;

  // A step: begin, ask for each micro-batch's rows, read the report; after_step if the step was applied.
  virtual void begin_step(Progress progress) = 0;
  virtual bool differs() const { return true; }  // whether rows have temperatures (or factors) of their own
  // Of every row of the step, where rows do not differ; else of a row as hard as the mean.
  virtual double base() const = 0;
  // Dense logits [N, C] of both sides, labels [N] or undefined. `counted`: the rows are the step's own, which later
  // steps and the report go by, not those of an adversary's passes.
  virtual Temperatures of_rows(const Tensor& student, const Tensor& teacher, const Tensor& labels,
                               bool counted = true) = 0;
  // For a walk over a vocabulary: how a row's temperature is made while the row is at hand, or the temperatures of rows
  // with these labels [N] where the rule says that they are given; then what the walk has seen. A rule that
  // measures nothing: base() for all.
  virtual RowTemperature rule() const { return {}; }
  virtual Tensor given(const Tensor&) const { return {}; }
  virtual void saw(const RowsSeen&) {}
  virtual bool needs_labels() const { return false; }
  virtual bool walks() const { return true; }  // whether a walk over a vocabulary can follow it

  virtual TemperatureReport report() const = 0;
  virtual void after_step() {}
  virtual State state() const { return {}; }
  virtual void restore(const State& state);  // what state() gave; Error where it is another temperature's
};

std::unique_ptr<Temperature> make_temperature(const TemperatureConfig& config);

}  // namespace dsd
