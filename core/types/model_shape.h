#pragma once
// The sizes of a model that a loss on features must know before step 1.

#include <cstdint>

#include "core/types/outputs.h"

namespace dsd {

struct ModelShape {
  std::int64_t layers = 0;  // applications, where layers share weights
  std::int64_t hidden = 0;
  std::int64_t heads = 0, key_heads = 0, head_width = 0;
  bool causal = false;  // a token sees those before it alone, and queries and keys are turned after they are captured

  std::int64_t width(Site::Kind kind) const {
    if (kind == Site::Kind::query) return heads * head_width;
    if (kind == Site::Kind::key || kind == Site::Kind::value) return key_heads * head_width;
    return hidden;
  }
};

}  // namespace dsd
