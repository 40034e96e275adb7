#pragma once
// Which of a model's logits stands for which class of a task: told by the labels' names, never by their order.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/data/dataset.h"
#include "core/data/task.h"
#include "core/model/model.h"

namespace dsd {

// The score of a model on labelled rows if `columns[c]` were its logit of class c.
using ScoreOrder = std::function<double(std::span<const std::int32_t> columns)>;

struct LabelRequest {
  std::string model;                // as the user named it, for messages
  std::vector<std::string> stated;  // teacher.labels or --labels: overrides the config's names; empty: none
  // What the user is to write where the names say nothing, before and after the names joined by ", " or ",":
  // "teacher.labels: [negative, positive]" or "--labels negative,positive".
  bool in_recipe = true;
  ScoreOrder score;  // may be null
};

// columns[c] for each class of the task; empty for a task of values. Error(bad_input) where the label sets differ, or
// where the config has placeholder names and none are stated: then with the score of each order and the line to paste.
std::vector<std::int32_t> match_labels(const Task& task, const HeadInfo& head, const LabelRequest& request);

// Evaluates on the first call, and from then on only counts. All of them outlive it.
ScoreOrder order_scorer(Model& model, const Dataset& data, const Task& task, std::int64_t tokens);

}  // namespace dsd
