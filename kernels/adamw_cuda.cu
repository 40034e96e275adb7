#include <ATen/core/Tensor.h>
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_bf16.h>

#include <algorithm>

#include "kernels/adamw_cuda.h"
#include "kernels/adamw_formula.h"

namespace dsd {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMostBlocks = 65535;

struct DeviceMath {
  using Number = float;
  static __host__ __device__ float fma(float a, float b, float c) { return fmaf(a, b, c); }
  static __host__ __device__ float root(float a) { return sqrtf(a); }
  static __host__ __device__ float splat(float value) { return value; }
};

struct Elements {
  float *master, *mean, *square, *gradient;
  __nv_bfloat16* shadow;  // null: none
  std::int64_t count;
  float gradient_scale;
  bool clears_gradient;
};

__global__ void adamw_elements(Elements all, AdamSettings settings, AdamStep step) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < all.count; i += stride) {
    float master = all.master[i], mean = all.mean[i], square = all.square[i];
    adam_formula<DeviceMath>(master, mean, square, all.gradient[i] * all.gradient_scale, settings, step);
    all.master[i] = master, all.mean[i] = mean, all.square[i] = square;
    if (all.shadow != nullptr) all.shadow[i] = __float2bfloat16_rn(master);
    if (all.clears_gradient) all.gradient[i] = 0;
  }
}

}  // namespace

void adamw_dense_cuda(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square,
                      const at::Tensor& gradient, float gradient_scale, const at::Tensor& shadow,
                      const AdamSettings& settings, const AdamStep& step, bool clears_gradient) {
  if (master.numel() == 0) return;
  const c10::cuda::CUDAGuard device(master.device());
  const Elements all{master.mutable_data_ptr<float>(),
                     mean.mutable_data_ptr<float>(),
                     square.mutable_data_ptr<float>(),
                     gradient.mutable_data_ptr<float>(),
                     shadow.defined() ? static_cast<__nv_bfloat16*>(shadow.mutable_data_ptr()) : nullptr,
                     master.numel(),
                     gradient_scale,
                     clears_gradient};
  const std::int64_t blocks = std::min((all.count + kThreads - 1) / kThreads, kMostBlocks);
  adamw_elements<<<static_cast<unsigned>(blocks), kThreads, 0, at::cuda::getCurrentCUDAStream()>>>(all, settings, step);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace dsd
