#pragma once
// Work cut into as many parts as there are threads, always in the same places: sums that each part makes for itself are
// folded in the order of the parts, so that one number of threads gives one result.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/functions.h"
#include "kernels/dropout.h"

namespace dsd {

inline std::int64_t part_count(std::int64_t count, std::int64_t grain) {
  return std::clamp<std::int64_t>(count / grain, 1, at::get_num_threads());
}

// Calls body(begin, end, part) for each part of 0 ... count.
template <class Body>
void in_parts(std::int64_t count, std::int64_t parts, Body body) {
  if (parts == 1) return body(std::int64_t{0}, count, std::int64_t{0});
  at::parallel_for(0, parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = first; part < last; ++part) body(count * part / parts, count * (part + 1) / parts, part);
  });
}

// A row of sums for each part.
class PartSums {
 public:
  PartSums(std::int64_t parts, std::int64_t width)
      : width_(width), stride_((width + 31) / 32 * 32), sums_(at::zeros({parts, stride_}, at::kFloat)) {}

  float* of(std::int64_t part) { return sums_.mutable_data_ptr<float>() + part * stride_; }

  // to [count] += columns first ... first + count; nothing where `to` is undefined.
  void fold(std::int64_t first, std::int64_t count, const at::Tensor& to) {
    if (!to.defined()) return;
    float* out = to.mutable_data_ptr<float>();
    for (std::int64_t column = 0; column < count; ++column) {
      float total = 0;
      for (std::int64_t part = 0; part < sums_.size(0); ++part) total += of(part)[first + column];
      out[column] += total;
    }
  }

 private:
  std::int64_t width_, stride_;
  at::Tensor sums_;
};

inline cpu::DropoutWords words_of(const Dropout& dropout) {
  return {dropout.threshold, {dropout.key[0], dropout.key[1]}, static_cast<float>(dropout.scale())};
}

template <class T>
const T* pointer_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}

inline std::uint16_t* bf16_pointer(const at::Tensor& tensor) {
  return reinterpret_cast<std::uint16_t*>(tensor.mutable_data_ptr<at::BFloat16>());
}

}  // namespace dsd
