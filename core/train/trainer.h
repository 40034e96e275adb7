#pragma once
// The one training loop (design section 4). It is handed its parts, and knows neither recipes' files nor which method
// it runs: a new method is a new loss, schedule, adversary or model.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/data/dataset.h"
#include "core/data/plan.h"
#include "core/recipe/recipe.h"
#include "core/teacher/remembered.h"
#include "core/teacher/teacher.h"
#include "core/train/checkpoint.h"
#include "core/train/console_report.h"
#include "core/train/objective.h"
#include "core/train/optimiser.h"
#include "core/train/perturbed_passes.h"
#include "core/train/run_log.h"
#include "core/train/stop.h"

namespace dsd {

struct TrainerParts {
  TrainConfig settings;
  EvalConfig eval;
  ScheduleConfig learning_rate;
  std::uint64_t seed = 0;
  std::int64_t steps = 0;
  std::int64_t pool = 1;  // examples that losses compare with one another; 1: none
  TaskKind kind = TaskKind::classes;

  Model* student = nullptr;
  Teacher* teacher = nullptr;          // null: labels alone
  RememberedTeacher* store = nullptr;  // its store, where the teacher is remembered
  const Dataset* data = nullptr;
  Plan* plan = nullptr;
  Objective* objective = nullptr;
  AdamW* optimiser = nullptr;
  const Adversary* adversary = nullptr;  // null: none

  std::function<Scored()> evaluate;                 // null: never
  bool lower_is_better = false;                     // of two scores by the first metric
  std::function<void(const CheckpointMeta&)> save;  // null: never
  std::function<void()> save_best;                  // the student is the best so far
  RunLog* log = nullptr;                            // null: none
  ConsoleReport* console = nullptr;                 // null: silent
  const StopSignal* stop = nullptr;
};

struct TrainResult {
  std::int64_t steps = 0, examples = 0, tokens = 0, skipped_steps = 0;
  double seconds = 0;  // of steps, without evaluation and saving
  std::optional<double> best_score;
  std::int64_t best_step = 0;
  Scored last;
  bool on_plateau = false;  // that ended it
  int signal = 0;
};

class Trainer {
 public:
  explicit Trainer(TrainerParts parts);

  // Goes on from `start` (step 0 when it is none) to the last step. Error with ExitCode::diverged after
  // settings.bad_steps steps in a row whose loss or gradient is not finite.
  TrainResult run(const std::optional<CheckpointMeta>& start);

 private:
  StepLine train_step(std::int64_t index);
  std::vector<Batch> batches_of(std::int64_t index);
  double backward(std::vector<Batch>& batches, Progress progress, std::vector<PartReport>* parts);
  void backward_of(const Batch& batch, std::span<const TeacherOutputs> teachers, const Pass& pass);
  void after_step(const StepLine& line);
  void evaluate_now();
  void watch_plateau(const Scored& scored);
  bool gains(double score, double before, double least) const;
  void save_now();
  bool due(std::int64_t every) const { return result_.steps % every == 0; }

  TrainerParts parts_;
  Wanted student_wants_, teacher_wants_;
  std::optional<PerturbedPasses> perturbed_;  // under an adversary
  TrainResult result_;
  std::int64_t bad_in_a_row_ = 0;
  std::int64_t saved_at_ = -1, scored_at_ = -1;
  std::optional<double> plateau_score_;
  std::int64_t plateau_evaluations_ = 0;
};

}  // namespace dsd
