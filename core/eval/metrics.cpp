#include "core/eval/metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

namespace dsd {
namespace {

// The mean of values, added in order.
double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

bool is_constant(std::span<const double> values) {
  return std::ranges::adjacent_find(values, std::not_equal_to<>()) == values.end();
}

std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> rank(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double shared = static_cast<double>(begin + 1 + end) / 2;
    for (; begin < end; ++begin) rank[order[begin]] = shared;
  }
  return rank;
}

}  // namespace

double accuracy(std::span<const std::int32_t> predicted, std::span<const std::int32_t> gold) {
  if (gold.empty()) return 0;
  std::int64_t right = 0;
  for (std::size_t i = 0; i < gold.size(); ++i) right += predicted[i] == gold[i] ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(gold.size());
}

double f1(std::span<const std::int32_t> predicted, std::span<const std::int32_t> gold, std::int32_t positive) {
  std::int64_t both = 0, either = 0;  // TP, and 2 TP + FP + FN
  for (std::size_t i = 0; i < gold.size(); ++i) {
    both += predicted[i] == positive && gold[i] == positive ? 1 : 0;
    either += (predicted[i] == positive ? 1 : 0) + (gold[i] == positive ? 1 : 0);
  }
  return either == 0 ? 0 : 2 * static_cast<double>(both) / static_cast<double>(either);
}

double matthews(std::span<const std::int32_t> predicted, std::span<const std::int32_t> gold) {
  if (gold.empty()) return 0;
  const std::int32_t classes = 1 + std::max(std::ranges::max(predicted), std::ranges::max(gold));
  std::vector<double> of_predicted(static_cast<std::size_t>(classes)), of_gold(of_predicted);
  double right = 0;
  for (std::size_t i = 0; i < gold.size(); ++i) {
    ++of_predicted[static_cast<std::size_t>(predicted[i])];
    ++of_gold[static_cast<std::size_t>(gold[i])];
    right += predicted[i] == gold[i] ? 1 : 0;
  }
  const auto count = static_cast<double>(gold.size());
  double product = 0, predicted_squares = 0, gold_squares = 0;
  for (std::size_t c = 0; c < of_gold.size(); ++c) {
    product += of_predicted[c] * of_gold[c];
    predicted_squares += of_predicted[c] * of_predicted[c];
    gold_squares += of_gold[c] * of_gold[c];
  }
  const double spread = (count * count - predicted_squares) * (count * count - gold_squares);
  return spread == 0 ? 0 : (right * count - product) / std::sqrt(spread);
}

double pearson(std::span<const double> predicted, std::span<const double> gold) {
  if (is_constant(predicted) || is_constant(gold)) return 0;  // rounding in the mean would make up a spread
  const double predicted_mean = mean(predicted), gold_mean = mean(gold);
  double product = 0, predicted_squares = 0, gold_squares = 0;
  for (std::size_t i = 0; i < gold.size(); ++i) {
    const double p = predicted[i] - predicted_mean, g = gold[i] - gold_mean;
    product += p * g;
    predicted_squares += p * p;
    gold_squares += g * g;
  }
  return product / (std::sqrt(predicted_squares) * std::sqrt(gold_squares));
}

double spearman(std::span<const double> predicted, std::span<const double> gold) {
  return pearson(ranks(predicted), ranks(gold));
}

}  // namespace dsd
