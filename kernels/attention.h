#pragma once
// Attention inside packed sequences, softmax(q k^T / sqrt(D)) v with dropout on the probabilities, for the rows of
// queries that are read further on. Only each softmax's largest score and sum are kept for backward. fp32 in host
// memory. T tokens, Q queries, H = heads * D columns.

#include <ATen/core/Tensor.h>

#include "kernels/cpu/functions.h"
#include "kernels/dropout.h"

namespace dsd {

struct AttentionInput {
  at::Tensor queries;       // [Q, H], rows may stand apart
  at::Tensor keys, values;  // [T, H], rows equally far apart
  at::Tensor bias;          // [3H] of queries, keys and values, not yet added to them; undefined: none
  at::Tensor offsets;       // [S+1] int32
  at::Tensor places;        // [T] int32, read when dropout is active
  at::Tensor query_rows;    // [Q] int32, ascending; undefined: every row asks
  std::int64_t heads = 0;
  Dropout dropout;
};

// [Q, H] fp32 or bf16 (`type`). With softmax, sets it to what backward needs.
at::Tensor attention(const AttentionInput& input, at::Tensor* softmax, at::ScalarType type,
                     const cpu::Functions& functions = cpu::best_functions());

// Writes gradients into views of the operands' shapes and distances between rows, all fp32 or all bf16; the columns'
// sums are added to `bias` [3H] where that is defined.
struct AttentionGradients {
  at::Tensor queries, keys, values, bias;
};
void attention_backward(const at::Tensor& gradient, const AttentionInput& input, const at::Tensor& softmax,
                        const AttentionGradients& gradients, const cpu::Functions& functions = cpu::best_functions());

}  // namespace dsd
