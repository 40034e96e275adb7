#pragma once
// The rules of `adversary` and of changed text: what they ask of the task, the teacher and the losses.

#include "core/recipe/faults.h"
#include "core/recipe/task_names.h"

namespace dsd {

// `recipe.adversary` is there.
void check_adversary(const Recipe& recipe, const TaskName& task, Faults& faults);

// A recipe without any model has one fault, which is told already: what else it lacks for that need not be told.
bool names_no_model(const Recipe& recipe);

// Those of `data.augment` and `eval.robustness`.
void check_text_changes(const Recipe& recipe, const TaskName& task, Faults& faults);

}  // namespace dsd
