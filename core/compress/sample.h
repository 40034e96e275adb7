#pragma once
// Examples on which the parts of a model are weighed: so many of a data set, evenly spread, in batches.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/data/dataset.h"

namespace dsd {

// `count` of 0 ... size - 1, evenly spread; all where there are no more.
std::vector<std::int64_t> spread_over(std::int64_t size, std::int64_t count);

// Batches of these examples, in turn; `data` outlives the function. A batch holds few tokens: all layers' states of it
// stand in memory at once.
std::function<std::optional<Batch>()> batches_of(const Dataset& data, std::vector<std::int64_t> examples,
                                                 TaskKind kind);

}  // namespace dsd
