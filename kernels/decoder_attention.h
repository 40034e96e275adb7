#pragma once
// Causal attention of a decoder inside packed sequences, softmax(q k^T / sqrt(D)) v with grouped keys and values
// (Ainslie et al. 2023, arXiv:2305.13245), for sequences of any length: tiles of queries against the keys that they may
// see, which is linear in length where a window or blocks bound them (streaming attention with sinks: Xiao et al. 2023,
// arXiv:2309.17453). Only the log of each softmax's sum is kept for backward. fp32 in host memory.
// Q queries and K keys in all, S sequences, D head width.

#include <ATen/core/Tensor.h>

#include "kernels/cpu/functions.h"

namespace dsd {

// Which keys a query at position p sees, of those up to p itself.
struct AttentionReach {
  std::int64_t window = 0;     // the latest so many; 0: all
  std::int64_t block = 0;      // positions in a block; 0: no blocks. Blocks are counted from position 0
  std::int64_t look_back = 0;  // whole blocks before p's own that are seen
  std::int64_t sinks = 0;      // first positions that are always seen, with blocks only
};

struct DecoderAttention {
  at::Tensor queries;        // [Q, heads * D], unit stride between columns
  at::Tensor keys, values;   // [K, key_heads * D], rows equally far apart
  at::Tensor query_offsets;  // [S+1] int32
  at::Tensor key_begins;     // [S] int32: row of keys at which a sequence's own begin
  at::Tensor key_counts;     // [S] int32. A sequence's m queries stand at the last m of its n keys
  at::Tensor key_gaps;       // [S] int32: positions after the sinks whose keys are not there any more, none of which a
                             // query of the call may reach; undefined: keys stand at positions 0 ... n - 1
  std::int64_t heads = 0, key_heads = 0;
  double scale = 0;  // of the products; 0: 1 / sqrt(D)
  AttentionReach reach;
  at::Tensor distance_bias;  // [heads, M], added to the score of the key m positions back (M - 1 where farther);
                             // undefined: none
  at::Tensor key_bias;       // [K], 0 or -infinity; undefined: every key may be seen
};

// [Q, heads * D] fp32 or bf16 (`type`). With log_sums, sets it to what backward needs, [Q, heads].
at::Tensor attend(const DecoderAttention& input, at::Tensor* log_sums, at::ScalarType type,
                  const cpu::Functions& functions = cpu::best_functions());

// Writes gradients into views of the operands' shapes, fp32; adds that of the bias.
struct DecoderAttentionGradients {
  at::Tensor queries, keys, values;
  at::Tensor distance_bias;  // undefined: not wanted
};
void attend_backward(const at::Tensor& gradient, const at::Tensor& output, const DecoderAttention& input,
                     const at::Tensor& log_sums, const DecoderAttentionGradients& gradients,
                     const cpu::Functions& functions = cpu::best_functions());

}  // namespace dsd
