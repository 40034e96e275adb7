#include "core/eval/speed.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>

#include "core/base/error.h"
#include "core/data/dataset.h"
#include "core/data/rows.h"

namespace dsd {
namespace {

constexpr std::size_t kLeastRows = 32;
constexpr std::size_t kWarmUpRows = 8;
constexpr std::array<std::size_t, 2> kBatches{1, 32};

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

Batch tokenised_batch(const SpeedCandidate& candidate, std::span<const TextRow> texts, std::int64_t max_length) {
  std::vector<Example> examples;
  for (const auto& row : texts) examples.push_back(tokenised(*candidate.tokenizer, row.text, row.pair, max_length));
  return make_batch(examples);
}

std::span<const TextRow> piece(std::span<const TextRow> texts, std::size_t at, std::size_t size) {
  return texts.subspan(at, std::min(size, texts.size() - at));
}

// Reads the answer, as any caller would: it is not there before.
void answer(Model& model, const Batch& batch) {
  const Tensor logits = model.forward(batch, Wanted{}, Pass{}).heads.at(0).dense;
  static_cast<void>(logits.argmax(1).to(at::kCPU));
}

std::vector<Batch> tokenised_batches(const SpeedCandidate& candidate, std::span<const TextRow> texts, std::size_t size,
                                     std::int64_t max_length) {
  std::vector<Batch> batches;
  for (std::size_t at = 0; at < texts.size(); at += size)
    batches.push_back(tokenised_batch(candidate, piece(texts, at, size), max_length));
  return batches;
}

double model_seconds(const SpeedCandidate& candidate, std::span<const Batch> batches) {
  const auto begin = Clock::now();
  for (const auto& batch : batches) answer(*candidate.model, batch);
  return seconds_since(begin);
}

double end_to_end_seconds(const SpeedCandidate& candidate, std::span<const TextRow> texts, std::size_t size,
                          std::int64_t max_length) {
  const auto begin = Clock::now();
  for (std::size_t at = 0; at < texts.size(); at += size)
    answer(*candidate.model, tokenised_batch(candidate, piece(texts, at, size), max_length));
  return seconds_since(begin);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Rows that the slowest candidate serves one at a time within a pass; the first calls warm up memory and threads.
std::size_t rows_in_a_pass(std::span<const SpeedCandidate> candidates, std::span<const TextRow> texts,
                           const SpeedSettings& settings) {
  const auto some = texts.first(std::min(kWarmUpRows, texts.size()));
  double slowest = 0;
  for (const auto& candidate : candidates) {
    const auto batches = tokenised_batches(candidate, some, 1, settings.max_length);
    model_seconds(candidate, batches);
    slowest = std::max(slowest, model_seconds(candidate, batches) / static_cast<double>(some.size()));
  }
  const auto affordable = static_cast<std::size_t>(settings.pass_seconds / std::max(slowest, 1e-9));
  return std::min(texts.size(), std::max(affordable, kLeastRows));
}

}  // namespace

std::vector<TextRow> read_texts(const Task& task, const DataConfig& data, const SplitFile& file, std::int64_t most) {
  const auto rows = open_rows(task, data, file);
  std::vector<TextRow> texts;
  Row row;
  while (std::ssize(texts) < most && rows->next(row)) {
    texts.push_back({.text = std::string(row.text), .pair = std::nullopt});
    if (row.pair) texts.back().pair = std::string(*row.pair);
  }
  return texts;
}

std::vector<Speed> measure_speed(std::span<const SpeedCandidate> candidates, std::span<const TextRow> texts,
                                 const SpeedSettings& settings) {
  if (texts.empty()) fail("there is no text to measure speed on");
  const at::NoGradGuard no_gradients;
  texts = texts.first(rows_in_a_pass(candidates, texts, settings));
  std::vector<std::array<std::vector<Batch>, 2>> batches(candidates.size());
  for (std::size_t c = 0; c < candidates.size(); ++c)
    for (std::size_t b = 0; b < kBatches.size(); ++b)
      batches[c][b] = tokenised_batches(candidates[c], texts, kBatches[b], settings.max_length);
  std::vector<std::array<std::vector<double>, 4>> seconds(candidates.size());
  for (int pass = 0; pass < settings.passes; ++pass)
    for (std::size_t c = 0; c < candidates.size(); ++c)
      for (std::size_t b = 0; b < kBatches.size(); ++b) {
        seconds[c][b].push_back(model_seconds(candidates[c], batches[c][b]));
        seconds[c][2 + b].push_back(end_to_end_seconds(candidates[c], texts, kBatches[b], settings.max_length));
      }
  std::vector<Speed> speeds;
  const auto rate = [&](const std::vector<double>& passes) {
    return static_cast<double>(texts.size()) / median(passes);
  };
  for (const auto& of : seconds)
    speeds.push_back(
        {.model_1 = rate(of[0]), .model_32 = rate(of[1]), .end_to_end_1 = rate(of[2]), .end_to_end_32 = rate(of[3])});
  return speeds;
}

}  // namespace dsd
