#pragma once
// How models bear an attack and misspelt text, side by side: after `train` with eval.robustness, and by `eval
// --robust`.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/formats/json.h"
#include "core/train/robustness.h"

namespace dsd {

struct RobustModel {
  std::string name;
  Robustness score;
};

// An aligned table: clean, attacked, misspelt, and the loss of each against clean, in the metric's own numbers.
std::string robustness_table(const std::vector<RobustModel>& models, const Task& task, const RobustnessConfig& config);

Json robustness_json(const Robustness& score);

}  // namespace dsd
