#include "core/eval/perplexity.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/error.h"
#include "losses/scores.h"

namespace dsd {

std::vector<double> negative_log_likelihoods(const Scores& scores, const Tensor& labels) {
  const at::NoGradGuard no_gradients;
  const std::int64_t rows = row_count(scores);
  if (labels.size(0) != rows) fail("the model scored {} rows, but {} tokens are to be told", rows, labels.size(0));
  std::vector<double> all;
  for (std::int64_t begin = 0; begin < rows; begin += kTileRows) {
    Tensor logits = tile_logits(scores, begin, std::min(kTileRows, rows - begin));  // [n, V]
    const Tensor label = labels.narrow(0, begin, logits.size(0)).to(logits.device(), at::kLong).unsqueeze(1);
    if (label.numel() > 0 && label.max().item<std::int64_t>() >= logits.size(1))
      fail("a token of the text has id {}, but the model scores {}; was it trained with this tokenizer?",
           label.max().item<std::int64_t>(), logits.size(1));
    const Tensor largest = logits.amax(1, true);
    const Tensor told = (logits.gather(1, label) - largest).to(at::kDouble);
    const Tensor all_of_row = logits.sub_(largest).exp_().sum(1, true).to(at::kDouble).log();
    const Tensor tile = (all_of_row - told).to(at::kCPU).contiguous();
    all.insert(all.end(), tile.const_data_ptr<double>(), tile.const_data_ptr<double>() + tile.numel());
  }
  return all;
}

std::vector<std::pair<Metric, double>> language_metrics(double sum, std::int64_t tokens, std::int64_t bytes) {
  const double mean = sum / static_cast<double>(tokens);
  return {{Metric::perplexity, std::exp(mean)},
          {Metric::negative_log_likelihood, mean},
          {Metric::bits_per_byte, sum / std::numbers::ln2 / static_cast<double>(bytes)}};
}

double unigram_sum(const Dataset& data, std::span<const std::int64_t> counts, double added, std::int64_t vocabulary) {
  double total = added * static_cast<double>(vocabulary);
  for (const auto count : counts) total += static_cast<double>(count);
  const auto told = data.target_counts();
  double sum = 0;
  for (std::size_t id = 0; id < told.size(); ++id) {
    if (told[id] == 0) continue;
    const double count = added + (id < counts.size() ? static_cast<double>(counts[id]) : 0.0);
    sum += static_cast<double>(told[id]) * std::log(total / count);
  }
  return sum;
}

}  // namespace dsd
