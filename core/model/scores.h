#pragma once
// Logits out of Scores, where somebody must see them: for a few rows at a time, never for a whole batch.

#include <cstdint>

#include "core/types/outputs.h"

namespace dsd {

// Rows of a tile: 256 rows over 150,000 tokens are 150 MB in fp32.
inline constexpr std::int64_t kTileRows = 256;

std::int64_t row_count(const Scores& scores);

// [count, classes], fp32 (float64 where the weights are), without a gradient; the caller may overwrite it.
Tensor tile_logits(const Scores& scores, std::int64_t begin, std::int64_t count);

}  // namespace dsd
