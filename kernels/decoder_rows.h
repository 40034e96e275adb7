#pragma once
// What stands between the products of a pre-norm decoder: root-mean-square norm (Zhang & Sennrich 2019,
// arXiv:1910.07467), rotary positions (Su et al. 2021, arXiv:2104.09864; pairs half a head apart), and the gated
// activation silu(gate) * up (Shazeer 2020, arXiv:2002.05202). fp32 in host memory. N rows.

#include <ATen/core/Tensor.h>

#include "kernels/cpu/functions.h"

namespace dsd {

// [N, H] fp32 or bf16 (`type`) = x / sqrt(mean(x^2) + epsilon) * gain. With `inverse`, sets it to what backward needs.
at::Tensor scale_norm(const at::Tensor& x, const at::Tensor& gain, double epsilon, at::ScalarType type,
                      at::Tensor* inverse, const cpu::Functions& functions = cpu::best_functions());

// Adds the gradient of x to `to_x` [N, H], and that of the gain to `to_gain` [H] where that is defined.
void scale_norm_backward(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& gain,
                         const at::Tensor& inverse, const at::Tensor& to_x, const at::Tensor& to_gain,
                         const cpu::Functions& functions = cpu::best_functions());

// Cosines and sines of position * frequency, [P, D / 2] each.
struct RotaryTable {
  at::Tensor cosine, sine;
};

// Turns heads of width D, standing in the columns of `values` [N, heads * D] (a view; rows may stand apart), by each
// row's position, or back.
void rotate(const at::Tensor& values, std::int64_t heads, const at::Tensor& positions, const RotaryTable& table,
            bool backwards, const cpu::Functions& functions = cpu::best_functions());

// [N, F] fp32 or bf16 = silu(gate) * up of gate_up [N, 2F].
at::Tensor gated(const at::Tensor& gate_up, at::ScalarType type,
                 const cpu::Functions& functions = cpu::best_functions());

// Overwrites gate_up by its gradient.
void gated_backward(const at::Tensor& gradient, const at::Tensor& gate_up,
                    const cpu::Functions& functions = cpu::best_functions());

}  // namespace dsd
