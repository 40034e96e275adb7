#pragma once
// How new rows enter a KvCache: behind those that it holds, after what no query can reach any more has been dropped.
// All layers of a forward see the same counts; they change once, when the last layer is done. S sequences.

#include <ATen/core/Tensor.h>

#include "core/types/kv_cache.h"

namespace dsd {

// Keys and values as attention reads them: those that are held, then the new ones.
struct CachedKeys {
  at::Tensor keys, values;          // rows of all sequences
  at::Tensor begins, counts, gaps;  // [S] int32 each, as DecoderAttention takes them
};

// Takes over the new rows `keys` and `values` [T, width] of sequences that end at `offsets` [S+1]. Error when a cache
// that keeps everything has no room.
CachedKeys extend_cache(KvCache& cache, int layer, const at::Tensor& offsets, const at::Tensor& keys,
                        const at::Tensor& values);

// After the last layer: the counts and gaps as they stand with the new rows in place.
void count_rows(KvCache& cache, const at::Tensor& offsets);

// How far back attention reaches, as in kernels/decoder_attention.h; block 0: all the way.
struct CacheReach {
  std::int64_t block = 0, look_back = 0, sinks = 0;
};

// An empty cache for `capacity` tokens of each of `sequences`, with as many rows for them as the reach needs.
KvCache make_cache(std::int64_t sequences, std::int64_t capacity, std::int64_t layers, std::int64_t width,
                   const at::TensorOptions& options, const CacheReach& reach = {});

}  // namespace dsd
