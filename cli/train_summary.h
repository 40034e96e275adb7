#pragma once
// What `train` says when it is done: scores, the next commands, and the same as JSON; and how a stopped run goes on.

#include <vector>

#include "cli/commands.h"
#include "cli/robustness_report.h"
#include "cli/training_run.h"
#include "core/train/stage_record.h"

namespace dsd {

struct Summary {
  std::filesystem::path run;
  Recipe recipe;
  Metric metric = Metric::accuracy;  // that models are chosen by
  TrainResult result;
  std::optional<double> teacher, baseline, cut;
  std::vector<RobustModel> robust;  // the student, then the teacher; empty: not asked for
  std::vector<StageRecord> stages;  // empty: the run is one stage
};

void write_result(const std::filesystem::path& file, const Summary& summary);
void print_summary(const Summary& summary, Console& console);

// Says how to go on, and gives the exit code.
int stopped(const TrainResult& result, const TrainOptions& options, const std::filesystem::path& run, Console& console);

}  // namespace dsd
