#pragma once
// The passes of a micro-batch under an adversary (core/train/adversary.h): embeddings in place of the look-up, forward,
// backward, and the gradient of the embeddings handed to the next pass. Passes that nothing is learned from leave every
// parameter's gradient alone, and do not pay for it. What reaches the word table is the sum over the passes learned
// from.

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "core/model/model.h"
#include "core/teacher/teacher.h"
#include "core/train/adversary.h"
#include "core/train/objective.h"

namespace dsd {

class PerturbedPasses {
 public:
  // All must outlive it; `teacher` may be null. Error(bad_input) where the adversary perturbs a teacher whose
  // embeddings are not as wide as the student's.
  PerturbedPasses(const Adversary& adversary, Model& student, Objective& objective, Teacher* teacher);

  // `key` is of the step.
  void begin_step(Progress progress, const RandomKey& key);

  // In place of one forward and backward. `teachers` are the outputs for the batch as it is, none where no teacher is
  // read; `pass` has the dropout of every pass.
  void backward(const Batch& batch, std::span<const TeacherOutputs> teachers, const Wanted& wanted,
                const Wanted& teacher_wanted, const Pass& pass);

  // Adds what the adversary brought to a finished step's parts and returns the objective with it: its own part, where
  // the losses of perturbed passes are no parts already (its weight counts 1 there), with the last perturbations' mean
  // norm and the gain: by how much the goal of the last pass is above that of the first one with that goal.
  double report(double objective, std::vector<PartReport>* parts) const;

 private:
  Tensor evaluate(const Draw& draw, const Outputs& outputs, const Passes& seen,
                  std::span<const TeacherOutputs> teachers, const Wanted& teacher_wanted);
  Tensor mixed(const Draw& draw, const Outputs& outputs, const Batch& batch, std::span<const TeacherOutputs> teachers);
  // By how much the goal of a micro-batch's last pass is above the first with that goal.
  struct Gain {
    std::array<std::optional<double>, 3> first;
    double by = 0;
  };
  void count(const Draw& draw, const Tensor& value, Gain* gain);

  const Adversary& adversary_;
  Model& student_;
  Objective& objective_;
  Teacher* teacher_;
  Progress progress_;
  RandomKey key_;
  Outputs first_;  // of the pass that smoothness compares with
  // Of the step: the value that the adversary adds, before its weight; the gain; the sum of the norms.
  double added_ = 0, gain_ = 0, norms_ = 0;
  std::int64_t examples_ = 0;
};

}  // namespace dsd
