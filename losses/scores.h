#pragma once
// Logits out of Scores, where somebody must see them: for a few rows at a time, never for a whole batch.

#include <algorithm>
#include <cstdint>

#include "core/types/outputs.h"

namespace dsd {

// Rows of a tile: 256 rows over 150,000 tokens are 150 MB in fp32.
inline constexpr std::int64_t kTileRows = 256;

std::int64_t row_count(const Scores& scores);

// The head's matrix as products read it: the bf16 shadow where there is one.
const Tensor& head_matrix(const Scores& scores);

// Cuts a vocabulary into the classes of one product: where a processor widens bf16 operands, their copies stay small.
// Calls body(first, count).
template <class Body>
void each_product(std::int64_t classes, at::Device device, Body body) {
  const std::int64_t step = device.is_cpu() ? 4096 : classes;
  for (std::int64_t first = 0; first < classes; first += step) body(first, std::min(step, classes - first));
}

// Products of rows with the vocabulary in `out` [count, classes], biased, neither scaled nor capped; dense scores are
// copied. Without a gradient.
void multiply_out(const Scores& scores, std::int64_t begin, const Tensor& out);

// [count, classes], fp32 (float64 where the weights are), without a gradient; the caller may overwrite it.
Tensor tile_logits(const Scores& scores, std::int64_t begin, std::int64_t count);

}  // namespace dsd
