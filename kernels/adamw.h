#pragma once
// AdamW with decoupled decay (Loshchilov & Hutter 2019, arXiv:1711.05101), one formula for dense parameters, for the
// rows of a look-up table, and for the replay of steps in which a row had no gradient. The three use the same
// instructions in the same order, so a deferred row ends with the very bits that the dense update gives.
//
// Step t:  p *= decay_t;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
//          p -= step_size_t * m / (sqrt(v) * inverse_root_t + epsilon).

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "kernels/cpu/functions.h"

namespace dsd {

struct AdamSettings {
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
};

// What changes from step to step, kept in a table so that a step can be replayed.
struct AdamStep {
  float decay = 1;         // 1 - lr * weight_decay (1 where the parameter does not decay)
  float step_size = 0;     // lr / (1 - beta1^t)
  float inverse_root = 1;  // 1 / sqrt(1 - beta2^t)
};

// All tensors fp32, contiguous, of one size; `shadow` bf16 of that size or undefined. `gradient_scale` multiplies the
// gradient first (clipping). With clears_gradient the gradient is 0 afterwards, at no pass of its own. A GPU has a
// launcher of its own; in float64 LibTorch's operations compute the same formula.
void adamw_dense(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square, const at::Tensor& gradient,
                 float gradient_scale, const at::Tensor& shadow, const AdamSettings& settings, const AdamStep& step,
                 bool clears_gradient = false, const cpu::Functions& functions = cpu::best_functions());

// Rows of a table [V, H] with gradient `values` [>= rows.size(), H]: row i of values belongs to table row rows[i].
void adamw_rows(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square, const at::Tensor& values,
                float gradient_scale, const at::Tensor& shadow, std::span<const std::int32_t> rows,
                const AdamSettings& settings, const AdamStep& step,
                const cpu::Functions& functions = cpu::best_functions());

// Replays steps without a gradient: for each r of rows, steps last[r]+1 ... now of `table` (table[t] is step t, counted
// from 1; table[0] is unused), then sets last[r] = now.
void adamw_replay(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square, const at::Tensor& shadow,
                  std::span<const std::int32_t> rows, std::span<std::int32_t> last, std::int32_t now,
                  std::span<const AdamStep> table, const AdamSettings& settings,
                  const cpu::Functions& functions = cpu::best_functions());

}  // namespace dsd
