#pragma once
// The rules of `losses` beside those of `losses.features`: what a loss, its pool and the temperature ask of the task
// and of one another.

#include "core/recipe/faults.h"
#include "core/recipe/task_names.h"

namespace dsd {

void check_losses(const Recipe& recipe, const TaskName& task, Faults& faults);

}  // namespace dsd
