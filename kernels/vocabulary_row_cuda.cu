#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_bf16.h>

#include <cub/block/block_reduce.cuh>
#include <cuda/functional>
#include <cuda/std/functional>

#include "kernels/vocabulary_row_cuda.h"

namespace dsd {
namespace {

constexpr int kThreads = 512;

struct DeviceMath {
  using Number = float;
  static __host__ __device__ float exp(float x) { return expf(x); }
  static __host__ __device__ float log(float x) { return logf(x); }
  static __host__ __device__ float where_positive(float x, float value) { return x > 0 ? value : 0.0f; }
};

struct DeviceRows {
  float *student, *teacher;
  std::int64_t stride, teacher_stride, classes;
  const std::int32_t* labels;
  VocabularyTerms terms;
  float scale, soft_cap, teacher_scale, teacher_soft_cap;
  bool wants_gradient, bf16;
  double* sums;  // [4], added to
};

using Reduce = cub::BlockReduce<float, kThreads>;

struct Shared {
  typename Reduce::TempStorage storage;
  float result;
};

template <class Operation>
__device__ float reduce(float value, Operation operation, Shared& shared) {
  const float all = Reduce(shared.storage).Reduce(value, operation);
  if (threadIdx.x == 0) shared.result = all;
  __syncthreads();
  const float result = shared.result;
  __syncthreads();
  return result;
}
__device__ float total(float value, Shared& shared) { return reduce(value, ::cuda::std::plus<>{}, shared); }

// Products to logits in place, and the largest.
__device__ float to_logits(float* row, std::int64_t classes, float scale, float soft_cap, Shared& shared) {
  float most = -INFINITY;
  for (std::int64_t i = threadIdx.x; i < classes; i += kThreads) {
    float value = row[i] * scale;
    if (soft_cap > 0) value = soft_cap * tanhf(value / soft_cap);
    row[i] = value;
    most = fmaxf(most, value);
  }
  return reduce(most, ::cuda::maximum<>{}, shared);
}

__device__ float log_sum(const float* row, std::int64_t classes, float most, float inverse_temperature,
                         Shared& shared) {
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < classes; i += kThreads) sum += expf((row[i] - most) * inverse_temperature);
  return most * inverse_temperature + logf(total(sum, shared));
}

// A block a row.
__global__ void __launch_bounds__(kThreads) vocabulary_row(DeviceRows all) {
  __shared__ Shared shared;
  const VocabularyTerms& terms = all.terms;
  float* student = all.student + blockIdx.x * all.stride;
  float* teacher = all.teacher != nullptr ? all.teacher + blockIdx.x * all.teacher_stride : nullptr;
  const std::int32_t label = all.labels != nullptr ? all.labels[blockIdx.x] : -1;
  const float cross = label >= 0 ? terms.cross_entropy : 0.0f;
  VocabularyRow row;
  const float most = to_logits(student, all.classes, all.scale, all.soft_cap, shared);
  if (terms.cross_entropy != 0) row.log_sum = log_sum(student, all.classes, most, 1.0f, shared);
  VocabularySums<DeviceMath> sums{};
  if (teacher != nullptr) {
    row.student_log_sum = log_sum(student, all.classes, most, terms.inverse_temperature, shared);
    const float top = to_logits(teacher, all.classes, all.teacher_scale, all.teacher_soft_cap, shared);
    row.teacher_log_sum = log_sum(teacher, all.classes, top, terms.inverse_temperature, shared);
    for (std::int64_t i = threadIdx.x; i < all.classes; i += kThreads)
      add_vocabulary_sums<DeviceMath>(vocabulary_element<DeviceMath>(student[i], teacher[i], terms, row), terms, sums);
    sums.forward = total(sums.forward, shared);
    row.reverse = total(sums.reverse, shared);
    sums.teacher_to_mixed = total(sums.teacher_to_mixed, shared);
    row.student_to_mixed = total(sums.student_to_mixed, shared);
  }
  float values = 0;
  if (cross != 0 && terms.label_smoothing > 0) {
    for (std::int64_t i = threadIdx.x; i < all.classes; i += kThreads) values += student[i];
    values = total(values, shared);
  }
  if (threadIdx.x == 0) {
    if (teacher != nullptr) {
      atomicAdd(all.sums + 0, static_cast<double>(sums.forward));
      atomicAdd(all.sums + 1, static_cast<double>(row.reverse));
      atomicAdd(all.sums + 2, static_cast<double>(terms.teacher_share * sums.teacher_to_mixed +
                                                  (1.0f - terms.teacher_share) * row.student_to_mixed));
    }
    if (cross != 0) {
      const float smoothing = terms.label_smoothing;
      atomicAdd(all.sums + 3,
                static_cast<double>((1.0f - smoothing) * (row.log_sum - student[label]) +
                                    smoothing * (row.log_sum - values / static_cast<float>(all.classes))));
    }
  }
  if (!all.wants_gradient) return;
  __syncthreads();
  const float each = terms.label_smoothing / static_cast<float>(all.classes);
  auto* half = reinterpret_cast<__nv_bfloat16*>(student);
  for (std::int64_t first = 0; first < all.classes; first += kThreads) {
    const std::int64_t i = first + threadIdx.x;
    float gradient = 0;
    if (i < all.classes) {
      const float z = student[i];
      if (teacher != nullptr)
        gradient = mixed_gradient<DeviceMath>(vocabulary_element<DeviceMath>(z, teacher[i], terms, row), terms, row);
      if (cross != 0) gradient += cross_entropy_gradient<DeviceMath>(z, cross, each, row);
      if (i == label) gradient -= cross * (1.0f - terms.label_smoothing);
      if (all.soft_cap > 0) gradient *= 1.0f - z * z / (all.soft_cap * all.soft_cap);
      gradient *= all.scale;
    }
    // Bf16 goes where floats of this step or an earlier one stood: all must have been read.
    if (all.bf16) __syncthreads();
    if (i < all.classes && all.bf16) half[i] = __float2bfloat16_rn(gradient);
    else if (i < all.classes) student[i] = gradient;
  }
}

}  // namespace

VocabularyTotals vocabulary_rows_cuda(const VocabularyTile& tile) {
  const c10::cuda::CUDAGuard device(tile.student.device());
  const at::Tensor sums = at::zeros({4}, tile.student.options().dtype(at::kDouble));
  const at::Tensor labels = tile.labels.defined() ? tile.labels.to(tile.student.device()) : tile.labels;
  const DeviceRows all{tile.student.mutable_data_ptr<float>(),
                       tile.teacher.defined() ? tile.teacher.mutable_data_ptr<float>() : nullptr,
                       tile.student.stride(0),
                       tile.teacher.defined() ? tile.teacher.stride(0) : 0,
                       tile.student.size(1),
                       labels.defined() ? labels.const_data_ptr<std::int32_t>() : nullptr,
                       tile.terms,
                       tile.scale,
                       tile.soft_cap,
                       tile.teacher_scale,
                       tile.teacher_soft_cap,
                       tile.wants_gradient,
                       tile.bf16,
                       sums.mutable_data_ptr<double>()};
  if (tile.student.size(0) > 0) {
    vocabulary_row<<<static_cast<unsigned>(tile.student.size(0)), kThreads, 0, at::cuda::getCurrentCUDAStream()>>>(all);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
  const at::Tensor host = sums.cpu();
  const auto* value = host.const_data_ptr<double>();
  return {value[0], value[1], value[2], value[3]};
}

}  // namespace dsd
