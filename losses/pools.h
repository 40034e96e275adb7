#pragma once
// What the losses of reach `pool` share: the rows of each pool of a batch.

#include <utility>
#include <vector>

#include "core/types/batch.h"

namespace dsd {

// [begin, end) of the rows that each pool has; every sequence has one row. Error where the batch was made without
// pools, or with other rows.
std::vector<std::pair<std::int64_t, std::int64_t>> pools_of(const Batch& batch);

}  // namespace dsd
