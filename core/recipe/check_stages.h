#pragma once
// The rules of `stages`: each stage keeps a recipe's own, and does not contradict the one before.

#include "core/recipe/check.h"

namespace dsd {

// Of a recipe with stages. A fault that all stages share with what stands above them is told there, once.
std::vector<RuleFault> check_stages(const Recipe& recipe);

}  // namespace dsd
