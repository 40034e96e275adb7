#pragma once
// A pre-norm mixture of experts over packed rows, x + sum over a row's chosen experts of weight * expert(norm(x)), each
// expert a gated MLP. Fused: rows grouped by expert, one product for each expert over its own rows, a backward by hand;
// plain: LibTorch operations, its reference. N rows, H hidden width, E experts, K chosen for a row, F width of one.

#include <ATen/core/Tensor.h>

#include "core/types/weight.h"

namespace dsd {

struct ExpertWeights {
  Weight gain;     // [H], the norm before
  Weight router;   // [E, H], fp32 always
  Weight gate_up;  // [E 2F, H]: of each expert its gates, then what they let through
  Weight down;     // [E H, F]
};

struct ExpertShape {
  std::int64_t experts = 0, chosen = 0;
  double epsilon = 1e-6;
};

struct ExpertsOutput {
  Tensor hidden;         // [N, H]
  Tensor probabilities;  // [N, E], differentiable
  Tensor chosen;         // [N, K] int32
};

ExpertsOutput experts_block(const Tensor& x, const ExpertWeights& weights, const ExpertShape& shape);

namespace plain {
ExpertsOutput experts_block(const Tensor& x, const ExpertWeights& weights, const ExpertShape& shape);
}  // namespace plain

}  // namespace dsd
