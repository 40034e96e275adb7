#pragma once
// The global norm of gradients: squares are exact in double, and they are added in an order that depends neither on the
// number of threads nor on the instruction set.

#include <ATen/core/Tensor.h>

#include <span>

namespace dsd {

// Of fp32 contiguous tensors, all of one device.
double norm_of(std::span<const at::Tensor> gradients);

}  // namespace dsd
