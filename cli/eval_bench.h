#pragma once
// What `eval` and `coverage` read of their flags: the task, the files of the split, and how their text is read.

#include <vector>

#include "cli/commands.h"
#include "core/data/task.h"

namespace dsd {

struct EvalBench {
  Recipe recipe;
  Task task;
  Split split = Split::dev;
  std::vector<SplitFile> files;
};

// The flags as a recipe, so that they are read and checked by the same rules. A task of one's own takes files, columns
// and labels from the run that trained one of the models; flags win.
EvalBench bench_of(const EvalOptions& options);

// Whether the task is a language model's.
bool tells_tokens(const EvalOptions& options);

}  // namespace dsd
