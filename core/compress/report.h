#pragma once
// What was found important in a model and what of it is kept, for people and as JSON.

#include <string>
#include <vector>

#include "core/compress/prune.h"

namespace dsd {

struct PruningReport {
  const Importance& importance;
  const Kept& kept;
  const FamilyConfig& base;
  const FamilyConfig& student;
};

// A line for each thing that shrinks: "layers 24 -> 6: 0, 3, 9, 12, 18, 23, with 62.1 % of their influence".
std::vector<std::string> pruning_lines(const PruningReport& report);

// A row for each layer of the base: its influence, its groups of heads and experts, most important first, with a bar
// behind those that are kept, and the share of its neurons' scores that is kept.
std::string pruning_table(const PruningReport& report);

// All scores, their orders, and what is kept.
std::string pruning_json(const PruningReport& report);

}  // namespace dsd
