#pragma once
// What the kernels' tests share: every instruction set of this machine, random numbers, and one measure of error.

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include "core/base/random.h"
#include "kernels/cpu/functions.h"

namespace dsd::sample {

inline at::Tensor numbers(std::vector<std::int64_t> shape, std::uint64_t seed, double deviation = 1) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return at::tensor(normal_numbers(count, deviation, {.seed = seed, .purpose = Purpose::weights}), at::kFloat)
      .view(shape);
}

inline double relative(const at::Tensor& got, const at::Tensor& expected) {
  const double scale = std::max(expected.abs().max().item<double>(), 1e-3);
  return (got.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>() / scale;
}

// What this machine lacks is said aloud.
inline void each_isa(const std::function<void(const cpu::Functions&)>& body) {
  for (const cpu::Isa isa : {cpu::Isa::baseline, cpu::Isa::avx2, cpu::Isa::avx512}) {
    if (cpu::supported(isa)) {
      body(cpu::functions_of(isa));
    } else {
      std::printf("skipped: this processor has no %s\n", isa == cpu::Isa::avx2 ? "AVX2 with FMA" : "AVX-512");
    }
  }
}

}  // namespace dsd::sample
