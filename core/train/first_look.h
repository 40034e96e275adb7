#pragma once
// Before step 1 losses on features see the first batches as both models do, without dropout: projectors start from
// them, and they tell how alike matched layers are. A pure function of the recipe: which batches are seen does not
// depend on their cut.

#include "core/data/plan.h"
#include "core/teacher/teacher.h"
#include "core/train/objective.h"

namespace dsd {

struct FirstLook {
  Model* student = nullptr;
  Teacher* teacher = nullptr;
  const Dataset* data = nullptr;
  Plan* plan = nullptr;
  TaskKind kind = TaskKind::classes;
  std::int64_t tokens = 0;  // most in a micro-batch
};

// Whole steps of the plan, as many as hold 4,096 tokens, or one epoch.
void first_look(Objective& objective, const FirstLook& look);

}  // namespace dsd
