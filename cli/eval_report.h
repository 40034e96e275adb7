#pragma once
// What `dsdistill eval` found, as a table for people and as JSON.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/eval/evaluator.h"
#include "core/eval/speed.h"
#include "core/train/robustness.h"

namespace dsd {

struct ModelReport {
  std::string path;
  EvalResult result;
  std::int64_t rows = 0;        // examples
  bool same_tokens = true;      // as the first model reads
  std::int64_t max_length = 0;  // tokens that it reads at once
  std::int64_t parameters = 0;
  std::uint64_t bytes = 0;
  std::optional<Speed> speed;
  std::optional<Robustness> robust;
};

struct EvalReport {
  Task task;
  Split split = Split::dev;
  std::vector<ModelReport> models;  // the first is what the others are measured against
  Baseline baseline;

  bool has_labels() const { return !baseline.result.parts.empty(); }
};

// Aligned columns: a row for each model, and one for the majority class (or the mean of values).
std::string table_of(const EvalReport& report);

std::string json_of(const EvalReport& report);

}  // namespace dsd
