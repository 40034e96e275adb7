#pragma once
// The blocks of a pre-norm decoder over packed rows: x + attention(norm(x)), x + gated MLP(norm(x)), and the last norm.
// Each stands twice: fused, one autograd Function with a hand-written backward over our kernels (fp32 on a CPU), and
// plain, a composition of LibTorch operations that serves as its reference, in float64 tests, and on devices without a
// kernel. T tokens, S sequences, H hidden width, Q rows that are read further on, F width inside the MLP.

#include <ATen/core/Tensor.h>

#include "core/model/blocks/encoder.h"
#include "core/types/kv_cache.h"
#include "core/types/weight.h"
#include "kernels/decoder_attention.h"
#include "kernels/decoder_rows.h"

namespace dsd {

struct DecoderAttentionWeights {
  Weight gain;           // [H], the norm before
  Weight qkv, qkv_bias;  // [(heads + 2 key_heads) D, H]; the bias may be without a master
  Weight out, out_bias;  // [H, heads D]; likewise
  Weight distance_bias;  // [heads, buckets]; without a master: none
};

struct GatedMlpWeights {
  Weight gain;                   // [H], the norm before
  Weight gate_up, gate_up_bias;  // [2F, H]: gates, then what they let through
  Weight down, down_bias;        // [H, F]
};

struct DecoderShape {
  std::int64_t heads = 0, key_heads = 0, head_width = 0;
  double epsilon = 1e-6;
  AttentionReach reach;
};

// What all layers of a forward share.
struct DecoderRows {
  Tensor offsets;    // [S+1] int32, host memory
  Tensor positions;  // [T] int32: each token's row of the rotary table
  Tensor key_bias;   // [T], 0 or -infinity; undefined: every key may be seen
  RotaryTable rotary;
  Tensor distance_buckets;   // [M] int64: column of the distance bias for each distance; undefined: the distance itself
  KvCache* cache = nullptr;  // rows go on where its sequences end; inference only
  int layer = 0;             // of the cache
};

struct DecoderAttentionOutput {
  Tensor hidden;  // [T, H], or [S, H] of each sequence's last row
  Tensor qkv;     // [T, (heads + 2 key_heads) D] before the rotation, where asked for
};

// With `last_rows`, queries and what follows are made for the last row of each sequence alone.
DecoderAttentionOutput decoder_attention_block(const Tensor& x, const DecoderRows& rows,
                                               const DecoderAttentionWeights& weights, const DecoderShape& shape,
                                               bool last_rows, bool want_qkv);

// [*, H]
Tensor gated_mlp_block(const Tensor& x, const GatedMlpWeights& weights, double epsilon);

// The norm before the head, [N, H].
Tensor scale_norm_block(const Tensor& x, const Weight& gain, double epsilon);

namespace plain {
DecoderAttentionOutput decoder_attention_block(const Tensor& x, const DecoderRows& rows,
                                               const DecoderAttentionWeights& weights, const DecoderShape& shape,
                                               bool last_rows, bool want_qkv);
Tensor gated_mlp_block(const Tensor& x, const GatedMlpWeights& weights, double epsilon);
Tensor scale_norm_block(const Tensor& x, const Weight& gain, double epsilon);
}  // namespace plain

// Rows of qkv that belong to the last row of each sequence, [S] int32.
Tensor last_rows_of(const Tensor& offsets);

}  // namespace dsd
