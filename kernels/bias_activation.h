#pragma once
// What stands between an MLP's two products, activation(values + bias), in one pass that also keeps the derivative.
// fp32 in host memory. N rows, F columns.

#include <ATen/core/Tensor.h>

#include "core/types/activation.h"
#include "kernels/cpu/functions.h"

namespace dsd {

// [N, F] fp32 or bf16 (`type`). `values` [N, F] is overwritten: with `saves` by the derivative at each element.
at::Tensor bias_activation(const at::Tensor& values, const at::Tensor& bias, Activation activation, bool saves,
                           at::ScalarType type, const cpu::Functions& functions = cpu::best_functions());

// gradient * derivative [N, F] as `type`; the sums of its columns are added to bias_gradient [F] where that is defined.
// `gradient` is overwritten.
at::Tensor bias_activation_backward(const at::Tensor& gradient, const at::Tensor& derivative, at::ScalarType type,
                                    const at::Tensor& bias_gradient,
                                    const cpu::Functions& functions = cpu::best_functions());

}  // namespace dsd
