#pragma once
// Some sequences of a batch as a batch of their own, and which rows that a head reads belong to which sequence.

#include <cstdint>
#include <span>
#include <vector>

#include "core/types/batch.h"

namespace dsd {

// [S+1]: the rows of sequence s are rows[0][result[s]] ... rows[0][result[s + 1] - 1]. Error where they do not ascend
// or lie outside.
std::vector<std::int64_t> row_bounds(const Batch& batch);

// The sequences alone, with their rows and keys and without labels: a teacher does not read them.
Batch pick_sequences(const Batch& batch, std::span<const std::int32_t> picked);

}  // namespace dsd
