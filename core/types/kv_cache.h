#pragma once
// Keys and values of the tokens that a decoder has read, one buffer a layer, so that the next token costs one row.
// Where attention reaches back a bounded way, what lies beyond is dropped and memory stays the same for a text of any
// length.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace dsd {

struct KvCache {
  struct Layer {
    at::Tensor keys, values;  // [S * capacity, key_heads * D]; sequence s has rows s * capacity ...
  };
  std::int64_t capacity = 0;         // rows of a sequence
  std::vector<std::int32_t> counts;  // [S] tokens so far
  std::vector<std::int32_t> gaps;    // [S] of these, tokens that were dropped: they stood after the sinks
  std::vector<Layer> layers;

  // What stays, as in kernels/decoder_attention.h; block 0: everything.
  std::int64_t block = 0, look_back = 0, sinks = 0;
};

}  // namespace dsd
