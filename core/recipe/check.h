#pragma once
// The rules across a recipe's keys, one sentence each. What one key alone must satisfy stands with the key in recipe.h;
// what only the models or the data can tell is checked where they are loaded.

#include <string>
#include <vector>

#include "core/recipe/recipe.h"

namespace dsd {

struct RuleFault {
  std::string path;  // the key where it is told
  std::string text;
};

std::vector<RuleFault> check(const Recipe& recipe);

}  // namespace dsd
