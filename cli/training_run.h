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

// Trains models.student in `run`'s folder, from its newest checkpoint when it is resumed. student/ holds the best one.
TrainResult train_in_folder(const Recipe& recipe, RunModels& models, const Workbench& bench, const RunFolder& run);

// Takes `steps` steps and writes nothing: what a dry run measures.
TrainResult train_probe(const Recipe& recipe, RunModels& models, const Workbench& bench, std::int64_t steps);

}  // namespace dsd
