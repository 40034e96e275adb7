#pragma once
// How many parameters a config's model has, without allocating one.

#include <cstdint>

#include "core/model/model.h"

namespace dsd {

struct ParameterCounts {
  std::int64_t stored = 0;     // each set once, as a checkpoint holds it
  std::int64_t effective = 0;  // each set as often as a layer applies it
};

// Of the model with this head and, for classes, so many outputs.
ParameterCounts parameter_counts(const ModelConfig& config, HeadKind head, std::int64_t outputs = 0);

}  // namespace dsd
