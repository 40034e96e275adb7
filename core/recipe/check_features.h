#pragma once
// The rules of `losses.features` that the recipe alone can tell; what the models must tell is checked where the losses
// are made.

#include "core/recipe/check.h"

namespace dsd {

void check_features(const Recipe& recipe, std::vector<RuleFault>& faults);

// Whether some loss on features has a weight.
bool has_features(const LossesConfig& losses);

}  // namespace dsd
