#pragma once
// Scores under attack: the dev set with each example's embeddings perturbed against its own label, within a bound, by
// projected gradient ascent (Madry et al. 2018, arXiv:1706.06083), and the dev set misspelt (core/data/typing_slips.h).

#include <string>
#include <utility>
#include <vector>

#include "core/eval/evaluator.h"

namespace dsd {

// The model's own forward on perturbed embeddings: what `evaluate` takes in place of it. `columns` as there; an example
// without a label is left as it is. Loss: cross-entropy, or the squared error.
EvalSettings attacked(Model& model, const RobustnessConfig& config, EvalSettings settings);

// A dev set with slips of typing, otherwise read as data is. One for each tokenizer.
Dataset misspelt(const Task& task, const DataConfig& data, const std::vector<SplitFile>& files,
                 const Tokenizer& tokenizer, const RobustnessConfig& config);

struct Robustness {
  double clean = 0, attacked = 0, misspelt = 0;  // by the task's first metric
};
Robustness robustness_of(Model& model, const Dataset& clean, const Dataset& misspelt, const Task& task,
                         const RobustnessConfig& config, const EvalSettings& settings);

}  // namespace dsd
