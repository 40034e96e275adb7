#pragma once
// The metrics of GLUE as its leaderboard defines them. A figure that is undefined (one class only, no spread) is 0.

#include <cstdint>
#include <span>

namespace dsd {

double accuracy(std::span<const std::int32_t> predicted, std::span<const std::int32_t> gold);

// Of one class: 2 TP / (2 TP + FP + FN).
double f1(std::span<const std::int32_t> predicted, std::span<const std::int32_t> gold, std::int32_t positive);

// Matthews' correlation; for more than two classes Gorodkin's R_K, which is the same for two.
double matthews(std::span<const std::int32_t> predicted, std::span<const std::int32_t> gold);

double pearson(std::span<const double> predicted, std::span<const double> gold);

// Pearson's correlation of ranks; equal values share the mean of their ranks.
double spearman(std::span<const double> predicted, std::span<const double> gold);

}  // namespace dsd
