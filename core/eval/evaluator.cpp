#include "core/eval/evaluator.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.h"
#include "core/data/plan.h"
#include "core/eval/metrics.h"
#include "core/eval/perplexity.h"

namespace dsd {
namespace {

// [N, classes of the task] of a batch, fp32 on the host.
Tensor task_logits(Model& model, const Batch& batch, const Task& task, const EvalSettings& settings) {
  const auto& columns = settings.columns;
  const Outputs outputs = settings.forward ? settings.forward(batch) : model.forward(batch, Wanted{}, Pass{});
  if (outputs.heads.empty() || !outputs.heads[0].dense.defined())
    fail("the model has no head for task '{}'", task.name);
  Tensor logits = outputs.heads[0].dense.to(at::kCPU, at::kFloat);
  if (!columns.empty()) {
    const Tensor index = at::empty({static_cast<std::int64_t>(columns.size())}, at::kInt);
    std::ranges::copy(columns, index.mutable_data_ptr<std::int32_t>());
    logits = logits.index_select(1, index);
  }
  const std::int64_t wanted = task.kind == TaskKind::values ? 1 : static_cast<std::int64_t>(task.labels.size());
  if (logits.size(1) != wanted)
    fail("the model has {} outputs, but task '{}' needs {}", logits.size(1), task.name, wanted);
  return logits.contiguous();
}

std::int32_t largest(const float* row, std::int64_t classes) {
  return static_cast<std::int32_t>(std::max_element(row, row + classes) - row);
}

// The rows of a part that have a label, and what was predicted for them.
struct Labelled {
  std::vector<std::int32_t> predicted, gold;
  std::vector<double> predicted_values, gold_values;
};

Labelled labelled_rows(const Dataset& data, const Task& task, const DatasetPart& part,
                       std::span<const std::int32_t> predictions, std::span<const float> values) {
  Labelled rows;
  for (std::int64_t i = part.begin; i < part.end; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (task.kind == TaskKind::classes && data.label(i) >= 0) {
      rows.predicted.push_back(predictions[at]);
      rows.gold.push_back(data.label(i));
    } else if (task.kind == TaskKind::values && !std::isnan(data.value(i))) {
      rows.predicted_values.push_back(values[at]);
      rows.gold_values.push_back(data.value(i));
    }
  }
  return rows;
}

double measure(Metric metric, const Labelled& rows, const Task& task) {
  switch (metric) {
    case Metric::accuracy:
      return accuracy(rows.predicted, rows.gold);
    case Metric::f1:
      return f1(rows.predicted, rows.gold, task.class_of(task.positive).value_or(1));
    case Metric::matthews:
      return matthews(rows.predicted, rows.gold);
    case Metric::pearson:
      return pearson(rows.predicted_values, rows.gold_values);
    case Metric::spearman:
      return spearman(rows.predicted_values, rows.gold_values);
    case Metric::perplexity:
    case Metric::negative_log_likelihood:
    case Metric::bits_per_byte:
      break;  // not of predictions: see perplexity.h
  }
  fail("a metric that cannot be measured");
}

}  // namespace

double EvalResult::mean(Metric metric) const {
  double sum = 0;
  int count = 0;
  for (const auto& part : parts)
    for (const auto& [measured, value] : part.metrics)
      if (measured == metric) sum += value, ++count;
  return count == 0 ? 0 : sum / count;
}

double EvalResult::score() const {
  for (const auto& part : parts)
    if (!part.metrics.empty()) return mean(part.metrics[0].first);
  return 0;
}

std::vector<PartResult> score_parts(const Dataset& data, const Task& task, std::span<const std::int32_t> predictions,
                                    std::span<const float> values) {
  std::vector<PartResult> parts;
  for (const auto& part : data.parts()) {
    const Labelled rows = labelled_rows(data, task, part, predictions, values);
    PartResult result{.part = part.name, .rows = std::ssize(rows.gold) + std::ssize(rows.gold_values), .metrics = {}};
    if (result.rows > 0)
      for (const Metric metric : task.metrics) result.metrics.emplace_back(metric, measure(metric, rows, task));
    parts.push_back(std::move(result));
  }
  return parts;
}

namespace {

// `sums[i]` is that of example i.
std::vector<PartResult> language_parts(const Dataset& data, std::span<const double> sums) {
  std::vector<PartResult> parts;
  for (const auto& part : data.parts()) {
    PartResult result{.part = part.name, .bytes = part.text_bytes, .metrics = {}};
    double sum = 0;
    for (std::int64_t i = part.begin; i < part.end; ++i) {
      sum += sums[static_cast<std::size_t>(i)];
      result.rows += data.read(i).targets();
    }
    result.metrics = language_metrics(sum, result.rows, result.bytes);
    parts.push_back(std::move(result));
  }
  return parts;
}

EvalResult evaluate_language(Model& model, const Dataset& data, const Task& task, const EvalSettings& settings) {
  std::vector<double> sums(static_cast<std::size_t>(data.size()));
  const auto order = by_length(data);
  for (const auto examples : micro_batches(data, order, settings.tokens)) {
    const Batch batch = make_batch(data, examples, task.kind, 0);
    const Outputs outputs = model.forward(batch, Wanted{}, Pass{});
    if (outputs.heads.empty()) fail("the model has no head for task '{}'", task.name);
    const auto rows = negative_log_likelihoods(outputs.heads[0], std::get<Classes>(batch.labels).of);
    auto row = rows.begin();
    for (const auto index : examples)
      for (std::int64_t t = data.read(index).targets(); t > 0; --t) sums[static_cast<std::size_t>(index)] += *row++;
  }
  return {.parts = language_parts(data, sums), .predictions = {}, .values = {}, .logits = {}};
}

Baseline unigram_baseline(const Dataset& data) {
  std::int64_t bytes = 0;
  for (const auto& part : data.parts()) bytes += part.text_bytes;
  Baseline baseline;
  PartResult part{.part = "", .rows = data.targets(), .bytes = bytes, .metrics = {}};
  part.metrics = language_metrics(unigram_sum(data, data.target_counts(), 0, 0), part.rows, bytes);
  baseline.result.parts.push_back(std::move(part));
  return baseline;
}

}  // namespace

EvalResult evaluate(Model& model, const Dataset& data, const Task& task, const EvalSettings& settings) {
  const at::NoGradGuard no_gradients;
  if (task.kind == TaskKind::next_token) return evaluate_language(model, data, task, settings);
  const bool classes = task.kind == TaskKind::classes;
  const auto rows = static_cast<std::size_t>(data.size());
  const auto width = classes ? static_cast<std::int64_t>(task.labels.size()) : 1;
  EvalResult result;
  if (classes) result.predictions.resize(rows);
  else result.values.resize(rows);
  if (settings.keep_logits) result.logits = at::empty({data.size(), width}, at::kFloat);
  const auto order = by_length(data);
  for (const auto examples : micro_batches(data, order, settings.tokens)) {
    const Batch batch = make_batch(data, examples, task.kind, 0);
    const Tensor logits = task_logits(model, batch, task, settings);
    const auto* row = logits.const_data_ptr<float>();
    for (const auto index : examples) {
      const auto at = static_cast<std::size_t>(index);
      if (classes) result.predictions[at] = largest(row, width);
      else result.values[at] = *row;
      if (settings.keep_logits) std::copy_n(row, width, result.logits.mutable_data_ptr<float>() + index * width);
      row += width;
    }
  }
  result.parts = score_parts(data, task, result.predictions, result.values);
  return result;
}

Baseline baseline_of(const Dataset& data, const Task& task) {
  Baseline baseline;
  if (data.labelled() == 0) return baseline;
  if (task.kind == TaskKind::next_token) return unigram_baseline(data);
  const auto rows = static_cast<std::size_t>(data.size());
  if (task.kind == TaskKind::classes) {
    std::vector<std::int64_t> count(task.labels.size());
    for (std::int64_t i = 0; i < data.size(); ++i)
      if (data.label(i) >= 0) ++count[static_cast<std::size_t>(data.label(i))];
    baseline.majority = static_cast<std::int32_t>(std::ranges::max_element(count) - count.begin());
    baseline.result.predictions.assign(rows, baseline.majority);
  } else {
    for (std::int64_t i = 0; i < data.size(); ++i)
      if (!std::isnan(data.value(i))) baseline.mean += data.value(i);
    baseline.mean /= static_cast<double>(data.labelled());
    baseline.result.values.assign(rows, static_cast<float>(baseline.mean));
  }
  baseline.result.parts = score_parts(data, task, baseline.result.predictions, baseline.result.values);
  return baseline;
}

bool is_better(Metric metric, double score, double than) {
  return lower_is_better(metric) ? score < than : score > than;
}

double retention(Metric metric, double score, double reference) {
  return lower_is_better(metric) ? reference / score : score / reference;
}

double chance_corrected_retention(Metric metric, double score, double reference, double baseline) {
  if (!is_better(metric, reference, baseline)) return std::numeric_limits<double>::quiet_NaN();
  if (metric == Metric::perplexity) return std::log(baseline / score) / std::log(baseline / reference);
  return (score - baseline) / (reference - baseline);
}

}  // namespace dsd
