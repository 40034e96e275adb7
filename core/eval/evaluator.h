#pragma once
// Scores a model on a split: metrics for each part, and predictions in the order of the files.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/data/dataset.h"
#include "core/data/task.h"
#include "core/model/model.h"

namespace dsd {

struct PartResult {
  std::string part;                                // "", or "matched", "mismatched"
  std::int64_t rows = 0;                           // that have a label; of a language model, tokens that are told
  std::int64_t bytes = 0;                          // of text that those tokens stand for
  std::vector<std::pair<Metric, double>> metrics;  // empty where no row has a label
};

struct EvalResult {
  std::vector<PartResult> parts;
  std::vector<std::int32_t> predictions;  // [N] class indices of the task; for classes only
  std::vector<float> values;              // [N]; for values only
  Tensor logits;                          // [N, classes of the task], fp32; undefined unless kept

  // The first metric, averaged over parts: what models are chosen by. 0 where nothing has a label.
  double score() const;
  // One metric, averaged over parts.
  double mean(Metric metric) const;
};

struct EvalSettings {
  std::vector<std::int32_t> columns;  // columns[c] is the model's logit of the task's class c; empty: as they are
  std::int64_t tokens = 8192;         // most of a batch
  bool keep_logits = false;
  std::function<Outputs(const Batch&)> forward;  // in place of the model's own; null: that
};

// Error naming the model's outputs and the task's classes where they are not as many.
EvalResult evaluate(Model& model, const Dataset& data, const Task& task, const EvalSettings& settings);

// Metrics of predictions that came from elsewhere. `predictions` for classes, `values` for values.
std::vector<PartResult> score_parts(const Dataset& data, const Task& task, std::span<const std::int32_t> predictions,
                                    std::span<const float> values);

// What one gets without a model: always the class that is most frequent among the labelled rows, or their mean (whose
// correlation is 0 by definition), or each token told by its share of the text itself.
struct Baseline {
  std::int32_t majority = -1;
  double mean = 0;
  EvalResult result;
};
Baseline baseline_of(const Dataset& data, const Task& task);

// Whether a model of that score is to be preferred. False for NaN.
bool is_better(Metric metric, double score, double than);

// Share of the first model's score that another keeps: score / reference, or for perplexity reference / score.
double retention(Metric metric, double score, double reference);
// The same above what the baseline gets: (score - baseline) / (reference - baseline), of perplexities their logarithms;
// NaN for a reference that is no better than the baseline.
double chance_corrected_retention(Metric metric, double score, double reference, double baseline);

}  // namespace dsd
