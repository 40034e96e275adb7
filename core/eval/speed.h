#pragma once
// How many sentences a second models serve, one at a time and 32 at a time: the model alone on tokenised input, and end
// to end with tokenising. Models take turns within each pass, so that a noisy machine does not favour one of them.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/data/task.h"
#include "core/model/model.h"
#include "core/text/tokenizer.h"

namespace dsd {

struct TextRow {
  std::string text;
  std::optional<std::string> pair;
};

// The first `most` rows of a file, without labels.
std::vector<TextRow> read_texts(const Task& task, const DataConfig& data, const SplitFile& file, std::int64_t most);

// Sentences a second; the median over passes.
struct Speed {
  double model_1 = 0, model_32 = 0;
  double end_to_end_1 = 0, end_to_end_32 = 0;
};

struct SpeedCandidate {
  Model* model = nullptr;
  const Tokenizer* tokenizer = nullptr;
};

struct SpeedSettings {
  std::int64_t max_length = 128;
  int passes = 5;
  double pass_seconds = 0.7;  // of the slowest candidate one at a time: fewer rows are used where it would take longer
};

// One Speed for each candidate, all on the same rows.
std::vector<Speed> measure_speed(std::span<const SpeedCandidate> candidates, std::span<const TextRow> texts,
                                 const SpeedSettings& settings);

}  // namespace dsd
