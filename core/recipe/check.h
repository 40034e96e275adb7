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

// Whether a text is v3 or r1 in any case: a name that the article's families and DeepSeek's checkpoints share.
bool is_article_name(std::string_view name);

}  // namespace dsd
