#include "core/train/gradient_norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <array>
#include <cmath>
#include <vector>

namespace dsd {
namespace {

constexpr std::int64_t kPiece = 1 << 15;

double squares(std::span<const float> values) {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      sums[lane] += value * value;
    }
  for (std::size_t lane = 0; i < values.size(); ++i, ++lane) {
    const double value = values[i];
    sums[lane] += value * value;
  }
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum;
}

}  // namespace

double norm_of(std::span<const at::Tensor> gradients) {
  std::vector<std::span<const float>> pieces;
  double sum = 0;
  for (const at::Tensor& gradient : gradients) {
    if (!gradient.is_cpu()) {
      sum += gradient.to(at::kDouble).square().sum().item<double>();
      continue;
    }
    const std::span<const float> all(gradient.const_data_ptr<float>(), static_cast<std::size_t>(gradient.numel()));
    for (std::size_t at = 0; at < all.size(); at += kPiece)
      pieces.push_back(all.subspan(at, std::min<std::size_t>(kPiece, all.size() - at)));
  }
  std::vector<double> sums(pieces.size());
  at::parallel_for(0, static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) sums[i] = squares(pieces[i]);
  });
  for (const double piece : sums) sum += piece;
  return std::sqrt(sum);
}

}  // namespace dsd
