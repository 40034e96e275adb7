#pragma once
// AdamW's launcher for CUDA: adamw_cuda.cu, or its twin no_adamw_cuda.cpp in a build without CUDA.

#include "kernels/adamw.h"

namespace dsd {

// As adamw_dense, for tensors of a GPU; on the current stream.
void adamw_dense_cuda(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square,
                      const at::Tensor& gradient, float gradient_scale, const at::Tensor& shadow,
                      const AdamSettings& settings, const AdamStep& step, bool clears_gradient);

}  // namespace dsd
