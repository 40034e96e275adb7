#pragma once
// How well a model tells the next tokens of text: -log of the share it gives to each, in nats, by tiles of rows.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/data/dataset.h"
#include "core/data/task.h"
#include "core/types/outputs.h"

namespace dsd {

// -log softmax(scores)[label] for each row; fp32 logits of at most kTileRows rows exist at a time.
std::vector<double> negative_log_likelihoods(const Scores& scores, const Tensor& labels /*[N] int32*/);

// A sum over `tokens` tokens that stand for `bytes` bytes of text as the task's metrics: perplexity exp(sum / tokens),
// the mean a token in nats, and sum / log 2 / bytes.
std::vector<std::pair<Metric, double>> language_metrics(double sum, std::int64_t tokens, std::int64_t bytes);

// The sum over the targets of `data` where each is told by its share of `counts`, `added` put to each of the
// `vocabulary` ids: what a model that sees no context can get.
double unigram_sum(const Dataset& data, std::span<const std::int64_t> counts, double added, std::int64_t vocabulary);

}  // namespace dsd
