#pragma once
// Keys and values of the tokens that a decoder has read, one buffer a layer, so that the next token costs one row.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace dsd {

struct KvCache {
  struct Layer {
    at::Tensor keys, values;  // [S * capacity, key_heads * D]; sequence s has rows s * capacity ...
  };
  std::int64_t capacity = 0;         // tokens of a sequence
  std::vector<std::int32_t> counts;  // [S] tokens so far
  std::vector<Layer> layers;
};

}  // namespace dsd
