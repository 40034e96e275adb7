#pragma once
// The routing of rows to experts (Shazeer et al. 2017, arXiv:1701.06538; top-2 of GShard, Lepikhin et al. 2020,
// arXiv:2006.16668): which rows each expert gets, and the mixture of what comes back. Rows stand grouped by expert, so
// that each expert is one product over its own. In host memory; N rows, E experts, K chosen for a row.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace dsd {

struct ExpertPlan {
  at::Tensor chosen;                 // [N, K] int32, the likeliest first, the lower number among equals
  at::Tensor rows;                   // [N K] int64: the row at each place; places are grouped by expert, rows ascend
  at::Tensor places;                 // [N, K] int64: where each choice of a row stands
  std::vector<std::int64_t> bounds;  // [E + 1] places of each expert
};

// `probabilities` [N, E], fp32.
ExpertPlan plan_experts(const at::Tensor& probabilities, std::int64_t chosen);

// [N, K] fp32: the chosen ones' probabilities over their sum. A single one keeps its probability (Switch Transformers,
// Fedus et al. 2021, arXiv:2101.03961), or its router would have no gradient.
at::Tensor expert_weights(const at::Tensor& probabilities, const ExpertPlan& plan);

// The gradient of the probabilities, [N, E], from that of the weights.
at::Tensor expert_weights_backward(const at::Tensor& d_weights, const at::Tensor& weights,
                                   const at::Tensor& probabilities, const ExpertPlan& plan);

// into [N, H] += the rows `values` [N K, H] of each row's choices, times its weights [N, K] where those are defined.
void add_mixed(const at::Tensor& values, const ExpertPlan& plan, const at::Tensor& weights, const at::Tensor& into);

}  // namespace dsd
