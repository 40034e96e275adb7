#pragma once
// The end of a block, y = norm(residual + dropout(branch + bias)), and its beginning, y = dropout(norm(sum of the
// embeddings)), each in one pass over the rows. fp32 in host memory. N rows, H columns.

#include <ATen/core/Tensor.h>

#include "kernels/cpu/functions.h"
#include "kernels/dropout.h"

namespace dsd {

enum class NormKind { layer, root_mean_square };

// What backward needs of a norm.
struct NormSaved {
  at::Tensor normalised;  // [N, H]
  at::Tensor inverse;     // [N] 1 / deviation
};

struct ResidualNorm {
  at::Tensor residual;           // [*, H]
  at::Tensor residual_rows;      // [N] int32, which rows of residual; undefined: all, in order
  at::Tensor branch;             // [N, H], overwritten
  at::Tensor branch_bias;        // [H] or undefined
  at::Tensor gain, bias;         // [H]; bias may be undefined
  at::Tensor places, positions;  // [N] int32, read when dropout is active
  NormKind kind = NormKind::layer;
  double epsilon = 0;
  Dropout dropout;
};
// y [N, H]. With `saved`, branch's memory becomes saved->normalised; without, y's.
at::Tensor residual_norm(const ResidualNorm& work, NormSaved* saved,
                         const cpu::Functions& functions = cpu::best_functions());

struct ResidualNormGradient {
  at::Tensor residual;  // [N, H] fp32
  at::Tensor branch;    // [N, H] fp32 or bf16; may be `residual` itself
};
// Sums over rows are added to gradients of the gain, the bias and the branch's bias where these are defined.
struct NormGradientSums {
  at::Tensor gain, bias, branch_bias;  // [H]
};
ResidualNormGradient residual_norm_backward(const at::Tensor& gradient, const ResidualNorm& work,
                                            const NormSaved& saved, at::ScalarType branch_type,
                                            const NormGradientSums& sums,
                                            const cpu::Functions& functions = cpu::best_functions());

struct EmbeddingNorm {
  at::Tensor words;                          // [V, H], or [T, H] where ids is undefined
  at::Tensor position_table, segment_table;  // [P, H], [2, H]
  at::Tensor ids, positions, segments;       // [T] int32
  at::Tensor places;                         // [T] int32
  at::Tensor gain, bias;                     // [H]
  double epsilon = 0;
  Dropout dropout;  // of the output
};
at::Tensor embedding_norm(const EmbeddingNorm& work, NormSaved* saved,
                          const cpu::Functions& functions = cpu::best_functions());
// [T, H], the gradient of the sum of the embeddings.
at::Tensor embedding_norm_backward(const at::Tensor& gradient, const EmbeddingNorm& work, const NormSaved& saved,
                                   const NormGradientSums& sums,
                                   const cpu::Functions& functions = cpu::best_functions());

}  // namespace dsd
