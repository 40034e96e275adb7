#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_bf16.h>

#include <cstring>
#include <cub/block/block_reduce.cuh>
#include <cuda/functional>
#include <cuda/std/functional>

#include "kernels/vocabulary_row_cuda.h"

namespace dsd {
namespace {

constexpr int kThreads = 512;

struct DeviceMath {
  using Number = float;
  using Scalar = float;
  static __host__ __device__ float exp(float x) { return expf(x); }
  static __host__ __device__ float log(float x) { return logf(x); }
  static __host__ __device__ float where_positive(float x, float value) { return x > 0 ? value : 0.0f; }
  static __host__ __device__ float where_finite(float x, float value) { return x > -INFINITY ? value : 0.0f; }
  static __host__ __device__ float root(float x) { return sqrtf(x); }
  static __host__ __device__ float power(float x, float y) { return powf(x, y); }
};

struct DeviceRows {
  float *student, *teacher;
  std::int64_t stride, teacher_stride, classes;
  const std::int32_t *top_ids, *labels;
  const float *top_log_p, *top_log_tail;
  float* top_logits;
  std::int64_t top_count;
  VocabularyTerms terms;
  RowTemperature rule;
  float *temperatures, *difficulties;
  float scale, soft_cap, teacher_scale, teacher_soft_cap;
  bool wants_gradient, bf16;
  VocabularyTotals* totals;  // added to
};

using Reduce = cub::BlockReduce<float, kThreads>;

struct Shared {
  typename Reduce::TempStorage storage;
  float result;
};

// What a block knows of its row.
struct DeviceRow {
  float *student, *teacher, *top_logits;
  const std::int32_t* top_ids;
  const float* top_log_p;
  float top_log_tail;
  std::int32_t label;
  float cross, smoothing_each;
  float tail_log_sum, tail_gradient;
  VocabularyTerms terms;  // with the row's own temperature
  float factor;           // of its losses against the teacher
  VocabularyRow<float> row;
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
__device__ float largest(float value, Shared& shared) { return reduce(value, ::cuda::maximum<>{}, shared); }

// Products to logits in place.
__device__ void to_logits(float* row, std::int64_t classes, float scale, float soft_cap) {
  for (std::int64_t i = threadIdx.x; i < classes; i += kThreads) {
    float value = row[i] * scale;
    if (soft_cap > 0) value = soft_cap * tanhf(value / soft_cap);
    row[i] = value;
  }
  __syncthreads();
}

// Log of the sum of exp(value(i)) over i of 0 ... count; -infinity of none.
template <class Value>
__device__ float log_sum(std::int64_t count, Value value, Shared& shared) {
  float most = -INFINITY;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) most = fmaxf(most, value(i));
  most = largest(most, shared);
  if (most == -INFINITY) return most;
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += expf(value(i) - most);
  return most + logf(total(sum, shared));
}

__device__ void add_total(double& total, float part) { atomicAdd(&total, static_cast<double>(part)); }

__device__ void add_totals(const DeviceRow& own, const VocabularySums<DeviceMath>& sums, VocabularyTotals* totals) {
  const float share = own.terms.teacher_share;
  const auto add = [&](double& total, float part) { add_total(total, own.factor * part); };
  add(totals->forward, sums.forward);
  add(totals->soft_cross_entropy, sums.soft_cross_entropy);
  add(totals->reverse, sums.reverse);
  add(totals->jensen_shannon, share * sums.teacher_to_mixed + (1.0f - share) * sums.student_to_mixed);
  add(totals->skew, sums.teacher_to_mixed);
  add(totals->skew_reverse, sums.student_to_mixed);
  add(totals->total_variation, sums.total_variation);
}

// Both logs of sums over the classes that neither side masks, and the losses' sums. `student` and `teacher` give
// element i at temperature T.
template <class Student, class Teacher>
__device__ void add_soft(const DeviceRows& all, std::int64_t count, Student student, Teacher teacher, DeviceRow& own,
                         Shared& shared) {
  const auto of = [&](float value, float other) { return other > -INFINITY ? value : -INFINITY; };
  const float student_log_sum = log_sum(
      count, [&](std::int64_t i) { return of(student(i), teacher(i)); }, shared);
  if (student_log_sum == -INFINITY) return;
  own.row.student_log_sum = student_log_sum;
  own.row.teacher_log_sum = log_sum(
      count, [&](std::int64_t i) { return of(teacher(i), student(i)); }, shared);
  VocabularySums<DeviceMath> sums{};
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads)
    add_vocabulary_sums<DeviceMath>(softened_element<DeviceMath>(student(i), teacher(i), own.row), own.terms, sums);
  VocabularySums<DeviceMath> all_sums{};
  each_sum(all_sums, sums, [&](float& whole, float part) { whole = total(part, shared); });
  set_means<DeviceMath>(own.row, all_sums);
  if (threadIdx.x == 0) add_totals(own, all_sums, all.totals);
}

__device__ void add_cross_entropy(const DeviceRows& all, DeviceRow& own, Shared& shared) {
  own.row.log_sum = log_sum(
      all.classes, [&](std::int64_t i) { return own.student[i]; }, shared);
  const float smoothing = all.terms.label_smoothing;
  float mean = 0;
  if (smoothing > 0) {
    float values = 0, counted = 0;
    for (std::int64_t i = threadIdx.x; i < all.classes; i += kThreads) {
      values += DeviceMath::where_finite(own.student[i], own.student[i]);
      counted += DeviceMath::where_finite(own.student[i], 1.0f);
    }
    counted = total(counted, shared);
    mean = total(values, shared) / counted;
    own.smoothing_each = smoothing / counted;
  }
  if (threadIdx.x == 0)
    add_total(all.totals->cross_entropy,
              (1.0f - smoothing) * (own.row.log_sum - own.student[own.label]) + smoothing * (own.row.log_sum - mean));
}

// The student's logits of the top classes leave the row, so that a sum over it is the tail's. As in vocabulary_top.inl.
__device__ void add_top(const DeviceRows& all, DeviceRow& own, Shared& shared) {
  for (std::int64_t k = threadIdx.x; k < all.top_count; k += kThreads) {
    const std::int32_t id = own.top_ids[k];
    own.top_logits[k] = id >= 0 && id < all.classes ? own.student[id] : -INFINITY;
  }
  __syncthreads();
  for (std::int64_t k = threadIdx.x; k < all.top_count; k += kThreads) {
    const std::int32_t id = own.top_ids[k];
    if (id >= 0 && id < all.classes) own.student[id] = -INFINITY;
  }
  __syncthreads();
  const float inverse = all.terms.inverse_temperature;
  const float tail = log_sum(
      all.classes, [&](std::int64_t i) { return own.student[i] * inverse; }, shared);
  const auto student = [&](std::int64_t k) { return k < all.top_count ? own.top_logits[k] * inverse : tail; };
  const auto teacher = [&](std::int64_t k) { return k < all.top_count ? own.top_log_p[k] : own.top_log_tail; };
  add_soft(all, all.top_count + 1, student, teacher, own, shared);
  if (tail == -INFINITY) return;
  const auto element = softened_element<DeviceMath>(tail, own.top_log_tail, own.row);
  own.tail_log_sum = tail;
  own.tail_gradient = soft_gradient<DeviceMath>(element, all.terms, own.row);
}

// The entropy of softmax(row * inverse) over the classes that `mask` does not mask.
__device__ float entropy_of(const DeviceRows& all, const float* row, const float* mask, float inverse, Shared& shared) {
  const auto at = [&](std::int64_t i) { return mask[i] > -INFINITY ? row[i] * inverse : -INFINITY; };
  const float log_of_all = log_sum(all.classes, at, shared);
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < all.classes; i += kThreads) {
    const float log_share = at(i) - log_of_all;
    sum -= DeviceMath::where_finite(log_share, expf(log_share) * log_share);
  }
  return total(sum, shared);
}

__device__ float unlikeness_of(const DeviceRows& all, const DeviceRow& own, Shared& shared) {
  float dot = 0, student_square = 0, teacher_square = 0;
  for (std::int64_t i = threadIdx.x; i < all.classes; i += kThreads) {
    if (own.student[i] == -INFINITY || own.teacher[i] == -INFINITY) continue;
    dot += own.student[i] * own.teacher[i];
    student_square += own.student[i] * own.student[i];
    teacher_square += own.teacher[i] * own.teacher[i];
  }
  dot = total(dot, shared), student_square = total(student_square, shared);
  return unlikeness<DeviceMath>(dot, student_square, total(teacher_square, shared), static_cast<float>(all.rule.power));
}

__device__ float uncertainty_of(const DeviceRows& all, const DeviceRow& own, Shared& shared) {
  const auto student = [&](std::int64_t i) { return own.teacher[i] > -INFINITY ? own.student[i] : -INFINITY; };
  const float log_of_all = log_sum(all.classes, student, shared);
  float most = -INFINITY;
  for (std::int64_t i = threadIdx.x; i < all.classes; i += kThreads) most = fmaxf(most, student(i));
  return uncertainty<DeviceMath>(expf(largest(most, shared) - log_of_all));
}

__device__ float entropy_difficulty_of(const DeviceRows& all, const DeviceRow& own, Shared& shared) {
  const float inverse = 1 / static_cast<float>(all.rule.entropy_temperature);
  float count = 0;
  for (std::int64_t i = threadIdx.x; i < all.classes; i += kThreads)
    count += own.student[i] > -INFINITY && own.teacher[i] > -INFINITY ? 1.0f : 0.0f;
  const float student = entropy_of(all, own.student, own.teacher, inverse, shared);
  const float teacher = entropy_of(all, own.teacher, own.student, inverse, shared);
  return entropy_difficulty<DeviceMath>(student, teacher, logf(total(count, shared)));
}

__device__ float miss_of(const DeviceRows& all, const DeviceRow& own, Shared& shared) {
  const float log_of_all = log_sum(
      all.classes, [&](std::int64_t i) { return own.student[i]; }, shared);
  return own.label < 0 ? NAN : 1 - expf(own.student[own.label] - log_of_all);
}

// Whether no class is left that both sides have.
__device__ bool is_empty(const DeviceRows& all, const DeviceRow& own, Shared& shared) {
  float most = -INFINITY;
  for (std::int64_t i = threadIdx.x; i < all.classes; i += kThreads)
    most = fmaxf(most, own.teacher[i] > -INFINITY ? own.student[i] : -INFINITY);
  return largest(most, shared) == -INFINITY;
}

// As in cpu/vocabulary_temperature.inl.
__device__ void soften_row(const DeviceRows& all, DeviceRow& own, std::int64_t index, Shared& shared) {
  if (all.rule.measure == RowMeasure::none) return;
  auto difficulty = static_cast<float>(all.rule.mean);
  if (!is_empty(all, own, shared)) {
    if (all.rule.measure == RowMeasure::unlikeness) difficulty = unlikeness_of(all, own, shared);
    if (all.rule.measure == RowMeasure::uncertainty) difficulty = uncertainty_of(all, own, shared);
    if (all.rule.measure == RowMeasure::entropy) difficulty = entropy_difficulty_of(all, own, shared);
    if (all.rule.measure == RowMeasure::miss) difficulty = miss_of(all, own, shared);
  }
  const float temperature =
      all.rule.given ? all.temperatures[index] : row_temperature<DeviceMath>(all.rule, difficulty);
  __syncthreads();
  own.terms.inverse_temperature = 1 / temperature;
  own.factor = row_factor<DeviceMath>(all.rule, temperature, difficulty);
  if (threadIdx.x == 0) all.temperatures[index] = temperature, all.difficulties[index] = difficulty;
}

// Adds what labels and logits make of a gradient against the teacher.
__device__ float whole_gradient(const DeviceRows& all, const DeviceRow& own, float gradient, float z, std::int64_t i) {
  if (own.cross != 0) gradient += cross_entropy_gradient<DeviceMath>(z, own.cross, own.smoothing_each, own.row);
  if (i == own.label) gradient -= own.cross * (1.0f - all.terms.label_smoothing);
  if (all.soft_cap > 0) gradient *= 1.0f - z * z / (all.soft_cap * all.soft_cap);
  return gradient * all.scale;
}

__device__ void put(const DeviceRows& all, float* row, std::int64_t i, float gradient) {
  if (all.bf16) reinterpret_cast<__nv_bfloat16*>(row)[i] = __float2bfloat16_rn(gradient);
  else row[i] = gradient;
}

__device__ void put_gradients(const DeviceRows& all, const DeviceRow& own) {
  const float inverse = own.terms.inverse_temperature;
  for (std::int64_t first = 0; first < all.classes; first += kThreads) {
    const std::int64_t i = first + threadIdx.x;
    float gradient = 0;
    if (i < all.classes) {
      const float z = own.student[i];
      if (own.teacher != nullptr) {
        const auto element = vocabulary_element<DeviceMath>(z, own.teacher[i], own.terms, own.row);
        gradient = own.factor * soft_gradient<DeviceMath>(element, own.terms, own.row);
      } else if (own.top_ids != nullptr) {
        gradient = DeviceMath::where_finite(z, expf(z * inverse - own.tail_log_sum) * own.tail_gradient);
      }
      gradient = whole_gradient(all, own, gradient, z, i);
    }
    // Bf16 goes where floats of this step or an earlier one stood: all must have been read.
    if (all.bf16) __syncthreads();
    if (i < all.classes) put(all, own.student, i, gradient);
  }
  if (own.top_ids == nullptr) return;
  __syncthreads();
  for (std::int64_t k = threadIdx.x; k < all.top_count; k += kThreads) {
    const float z = own.top_logits[k];
    if (z == -INFINITY) continue;
    const auto element = softened_element<DeviceMath>(z * inverse, own.top_log_p[k], own.row);
    const float gradient = soft_gradient<DeviceMath>(element, all.terms, own.row);
    put(all, own.student, own.top_ids[k], whole_gradient(all, own, gradient, z, own.top_ids[k]));
  }
}

// A block a row.
__global__ void __launch_bounds__(kThreads) vocabulary_row(DeviceRows all) {
  __shared__ Shared shared;
  const std::int64_t index = blockIdx.x;
  DeviceRow own{};
  own.student = all.student + index * all.stride;
  own.label = all.labels != nullptr ? all.labels[index] : -1;
  own.cross = own.label >= 0 ? all.terms.cross_entropy : 0.0f;
  own.terms = all.terms;
  own.factor = 1;
  to_logits(own.student, all.classes, all.scale, all.soft_cap);
  if (own.cross != 0) add_cross_entropy(all, own, shared);
  if (all.teacher != nullptr) {
    own.teacher = all.teacher + index * all.teacher_stride;
    to_logits(own.teacher, all.classes, all.teacher_scale, all.teacher_soft_cap);
    soften_row(all, own, index, shared);
    if (own.terms.target_share < 1) {
      __syncthreads();  // all have measured the teacher as it is
      for (std::int64_t i = threadIdx.x; i < all.classes; i += kThreads)
        own.teacher[i] = moved_target<DeviceMath>(own.student[i], own.teacher[i], own.terms);
      __syncthreads();
    }
    const float inverse = own.terms.inverse_temperature;
    add_soft(
        all, all.classes, [&](std::int64_t i) { return own.student[i] * inverse; },
        [&](std::int64_t i) { return own.teacher[i] * inverse; }, own, shared);
  } else if (all.top_ids != nullptr) {
    own.top_ids = all.top_ids + index * all.top_count;
    own.top_log_p = all.top_log_p + index * all.top_count;
    own.top_log_tail = all.top_log_tail[index];
    own.top_logits = all.top_logits + index * all.top_count;
    // The label's logit is read before the top leaves the row.
    __syncthreads();
    add_top(all, own, shared);
  }
  if (!all.wants_gradient) return;
  __syncthreads();
  put_gradients(all, own);
}

template <class T>
const T* read_pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}

}  // namespace

VocabularyTotals vocabulary_rows_cuda(const VocabularyTile& tile) {
  const c10::cuda::CUDAGuard device(tile.student.device());
  static_assert(sizeof(VocabularyTotals) % sizeof(double) == 0);
  const at::Tensor sums =
      at::zeros({sizeof(VocabularyTotals) / sizeof(double)}, tile.student.options().dtype(at::kDouble));
  const at::Tensor labels = tile.labels.defined() ? tile.labels.to(tile.student.device()) : tile.labels;
  const bool top = tile.top_ids.defined();
  const at::Tensor top_logits = top ? at::empty_like(tile.top_log_p) : at::Tensor();
  const DeviceRows all{tile.student.mutable_data_ptr<float>(),
                       tile.teacher.defined() ? tile.teacher.mutable_data_ptr<float>() : nullptr,
                       tile.student.stride(0),
                       tile.teacher.defined() ? tile.teacher.stride(0) : 0,
                       tile.student.size(1),
                       read_pointer<std::int32_t>(tile.top_ids),
                       read_pointer<std::int32_t>(labels),
                       read_pointer<float>(tile.top_log_p),
                       read_pointer<float>(tile.top_log_tail),
                       top ? top_logits.mutable_data_ptr<float>() : nullptr,
                       top ? tile.top_ids.size(1) : 0,
                       tile.terms,
                       tile.rule,
                       tile.rule.measure != RowMeasure::none ? tile.temperatures.mutable_data_ptr<float>() : nullptr,
                       tile.rule.measure != RowMeasure::none ? tile.difficulties.mutable_data_ptr<float>() : nullptr,
                       tile.scale,
                       tile.soft_cap,
                       tile.teacher_scale,
                       tile.teacher_soft_cap,
                       tile.wants_gradient,
                       tile.bf16,
                       reinterpret_cast<VocabularyTotals*>(sums.mutable_data_ptr<double>())};
  if (tile.student.size(0) > 0) {
    vocabulary_row<<<static_cast<unsigned>(tile.student.size(0)), kThreads, 0, at::cuda::getCurrentCUDAStream()>>>(all);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
  const at::Tensor host = sums.cpu();
  VocabularyTotals totals;
  std::memcpy(static_cast<void*>(&totals), host.const_data_ptr<double>(), sizeof totals);
  return totals;
}

}  // namespace dsd
