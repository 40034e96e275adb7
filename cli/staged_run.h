#pragma once
// A run in stages: the one loop again and again, each time on its stage's recipe, with models of its own, in a folder
// of its own. The student of one stage is on disk before the next reads it, so that a resumed run reads the same.

#include <functional>
#include <vector>

#include "cli/training_run.h"
#include "core/train/stage_record.h"

namespace dsd {

// What all stages share.
struct StagedRun {
  const Recipe& recipe;  // with stages, resolved
  Console& console;
  const StopSignal& stop;
  std::filesystem::path tokenizer;
  int threads = 0;
  bool allow_drift = false;
};

struct StagedResult {
  TrainResult last;                  // of the last stage that ran; its signal ended the run
  std::vector<StageRecord> stages;   // those that are done
  std::optional<double> teacher;     // score of the first stage's
  Metric metric = Metric::accuracy;  // of the last stage's task
};

// Builds each stage's models in turn, a student standing for what it will become, so that what does not fit is told
// before step 1; then calls `look`, if there is one, with the stage's number.
using LookAtStage = std::function<void(std::size_t, const Recipe&, RunModels&, const Workbench&)>;
void rehearse(const StagedRun& run, const LookAtStage& look);

// Trains the stages that are not done yet; the run's student is the last one's.
StagedResult train_stages(const StagedRun& run, const RunFolder& folder);

// The recipe that the whole run's baseline is made of: the last stage's, its student started as the first one's.
Recipe baseline_recipe(const Recipe& recipe);

}  // namespace dsd
