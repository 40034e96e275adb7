#pragma once
// One run of the loop over parts that are built already: `train` does one for the student and, with --baseline, one
// more.

#include "cli/run_parts.h"
#include "core/eval/evaluator.h"
#include "core/train/memory_plan.h"
#include "core/train/run_folder.h"
#include "core/train/stop.h"
#include "core/train/trainer.h"

namespace dsd {

// What runs of one command share.
struct Workbench {
  Console& console;
  const StopSignal& stop;
  RunData& data;
  std::filesystem::path tokenizer;  // folder whose tokenizer travels with the student
  int threads = 0;
  bool allow_drift = false;
};

std::int64_t planned_steps(const Recipe& recipe, const Plan& plan);
bool learns_from_teacher(const Recipe& recipe, const RunModels& models);

// The losses of a recipe over these models; Error(bad_input) where losses on features do not fit them.
Objective make_objective(const Recipe& recipe, RunModels& models);

Scored scored_of(const EvalResult& result);
std::string text_of(const Scored& scored);

// A file of a teacher's remembered outputs, and how many of them it held at some point.
struct StoreMark {
  std::string file;  // its name in the run's folder
  std::int64_t length = 0;
};

// How a stage's run differs from one by itself.
struct StageRun {
  std::string identity;  // what its checkpoints belong to, in place of its own recipe: paths in that one may move
  std::filesystem::path stores;  // folder of the stores that stages share: one for each teacher and form
  std::vector<StoreMark> held;   // what these held before the stage
  bool scored = true;            // false: its losses train no head, and its student is the last one, not the best
};

struct FolderResult {
  TrainResult trained;
  std::optional<StoreMark> store;  // a shared one, as the run leaves it
};

// Trains models.student in `run`'s folder, from its newest checkpoint when it is resumed. student/ holds the best one.
FolderResult train_in_folder(const Recipe& recipe, RunModels& models, const Workbench& bench, const RunFolder& run,
                             const StageRun* stage = nullptr);

// Takes `steps` steps and writes nothing: what a dry run measures.
TrainResult train_probe(const Recipe& recipe, RunModels& models, const Workbench& bench, std::int64_t steps);

}  // namespace dsd
