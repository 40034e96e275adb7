#pragma once
// `train --dry-run`: the resolved recipe, steps, memory, and the time that a few real steps tell.

#include "cli/training_run.h"

namespace dsd {

// Steps, tokens, time and memory of a run, or of one of its stages.
void print_plan(const Recipe& recipe, RunModels& models, const Workbench& bench);

}  // namespace dsd
