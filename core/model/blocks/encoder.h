#pragma once
// The blocks of a post-norm encoder (BERT) over packed rows: embedding, attention, MLP. Each stands twice: fused, one
// autograd Function with a hand-written backward over our kernels (fp32 on a CPU), and plain, a composition of LibTorch
// operations that serves as its reference, in float64 tests, and on devices without a kernel. T tokens, S sequences, H
// hidden width, Q rows that are read further on.

#include <ATen/core/Tensor.h>

#include "core/base/random.h"
#include "core/types/activation.h"
#include "core/types/batch.h"
#include "core/types/weight.h"

namespace dsd {

struct EmbeddingWeights {
  Weight words;       // [V, H], its gradient may stay sparse (Weight::row_gradient)
  Weight positions;   // [P, H]
  Weight segments;    // [2, H]
  Weight gain, bias;  // [H]
};

struct AttentionWeights {
  Weight qkv, qkv_bias;  // [3H, H], [3H]: queries, keys, values
  Weight out, out_bias;  // [H, H], [H]
  Weight gain, bias;     // [H], the norm after the residual
};

struct MlpWeights {
  Weight up, up_bias;      // [F, H], [F]
  Weight down, down_bias;  // [H, F], [H]
  Weight gain, bias;       // [H]
};

// Where each packed row comes from: what dropout's counters and attention need.
struct PackedRows {
  Tensor offsets;    // [S+1] int32, host memory
  Tensor places;     // [T] int32: place in the optimiser step of the row's example
  Tensor positions;  // [T] int32
};

// Dropout of one block. Numbers depend on (key, place, position, column), never on the cut of a batch.
struct BlockDropout {
  double hidden = 0;     // after a dense product (or the embedding's norm)
  double attention = 0;  // on attention probabilities
  RandomKey key;         // key.layer tells the block apart
  bool active() const { return hidden > 0 || attention > 0; }
};

// Rows of a table, [N, H]: the gradient goes to words.row_gradient where that is set, else into the dense gradient.
Tensor look_up(const Weight& words, const Tensor& ids);

// x [T, H] = dropout(norm(word + position + segment)). `replaced` [T, H], when defined, stands in for the word look-up.
Tensor embedding_block(const Sequences& text, const PackedRows& rows, const EmbeddingWeights& weights, double epsilon,
                       const BlockDropout& dropout, const Tensor& replaced);

struct AttentionOutput {
  Tensor hidden;  // [Q, H] = norm(x + dropout(attention(x)))
  Tensor qkv;     // [T, 3H] with bias, defined when asked for; gradients may flow into it
};

// Keys and values are made for all T rows; queries and what follows for `query_rows` [Q] int32, ascending (undefined:
// all).
AttentionOutput attention_block(const Tensor& x, const PackedRows& rows, const Tensor& query_rows,
                                const AttentionWeights& weights, std::int64_t heads, double epsilon,
                                const BlockDropout& dropout, bool want_qkv);

// [Q, H] = norm(x + dropout(down(activation(up(x))))). `rows` are those of x: places and positions [Q].
Tensor mlp_block(const Tensor& x, const PackedRows& rows, const MlpWeights& weights, Activation activation,
                 double epsilon, const BlockDropout& dropout);

namespace plain {
// The references: same contracts, LibTorch operations only, any dtype and device. Dropout uses the same counters.
Tensor embedding_block(const Sequences& text, const PackedRows& rows, const EmbeddingWeights& weights, double epsilon,
                       const BlockDropout& dropout, const Tensor& replaced);
AttentionOutput attention_block(const Tensor& x, const PackedRows& rows, const Tensor& query_rows,
                                const AttentionWeights& weights, std::int64_t heads, double epsilon,
                                const BlockDropout& dropout, bool want_qkv);
Tensor mlp_block(const Tensor& x, const PackedRows& rows, const MlpWeights& weights, Activation activation,
                 double epsilon, const BlockDropout& dropout);
}  // namespace plain

}  // namespace dsd
