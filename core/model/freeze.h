#pragma once
// Takes groups of a student's weights out of training: their masters no longer require a gradient, backwards compute
// none for them, and the optimiser (its decay too) does not see them.

#include <span>

#include "core/model/model.h"
#include "core/recipe/freeze_group.h"

namespace dsd {

// Error(bad_input) where a group is not there, where layers share weights and only some of them are named, and where
// nothing is left to train.
void freeze(Model& model, std::span<const FreezeGroup> groups);

// The whole model: a student that has become a teacher.
void freeze_all(Model& model);

}  // namespace dsd
