// Products of a few rows with a matrix in bf16, whose rows are each read once.
#include "kernels/cpu/functions.h"
#include "kernels/cpu/vector.h"

namespace dsd::cpu {
namespace {

inline Floats load(const std::uint16_t* from) {
  Halves halves;
  __builtin_memcpy(&halves, from, sizeof halves);
  return reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
}
inline Floats load(const std::uint16_t* from, std::int64_t left) {
  if (left >= kLanes) return load(from);
  std::uint16_t all[kLanes] = {};
  for (int lane = 0; lane < left; ++lane) all[lane] = from[lane];
  return load(all);
}

template <int kRows>
inline void few_rows_of(const FewRows& work, std::int64_t begin, std::int64_t end) {
  constexpr int kChains = kRows == 1 ? 4 : kRows == 2 ? 2 : 1;  // sums that do not wait for each other
  for (std::int64_t n = begin; n < end; ++n) {
    const std::uint16_t* w = work.w + n * work.k;
    Floats sums[kRows][kChains] = {};
    std::int64_t at = 0;
    for (; at + kChains * kLanes <= work.k; at += kChains * kLanes) {
#pragma GCC unroll 4
      for (int chain = 0; chain < kChains; ++chain) {
        const Floats weight = load(w + at + chain * kLanes);
#pragma GCC unroll 8
        for (int row = 0; row < kRows; ++row)
          sums[row][chain] = fma(load(work.a + row * work.k + at + chain * kLanes), weight, sums[row][chain]);
      }
    }
    for (; at < work.k; at += kLanes) {
      const Floats weight = load(w + at, work.k - at);
      for (int row = 0; row < kRows; ++row)
        sums[row][0] = fma(load(work.a + row * work.k + at, work.k - at), weight, sums[row][0]);
    }
    for (int row = 0; row < kRows; ++row) {
      Floats total = sums[row][0];
      for (int chain = 1; chain < kChains; ++chain) total += sums[row][chain];
      float* c = work.c + row * work.c_stride + n;
      *c = (work.adds ? *c : 0.0f) + sum(total);
    }
  }
}

void few_rows(const FewRows& work, std::int64_t begin, std::int64_t end) {
  switch (work.m) {
    case 1:
      return few_rows_of<1>(work, begin, end);
    case 2:
      return few_rows_of<2>(work, begin, end);
    case 3:
      return few_rows_of<3>(work, begin, end);
    case 4:
      return few_rows_of<4>(work, begin, end);
    case 5:
      return few_rows_of<5>(work, begin, end);
    case 6:
      return few_rows_of<6>(work, begin, end);
    case 7:
      return few_rows_of<7>(work, begin, end);
    default:
      return few_rows_of<8>(work, begin, end);
  }
}

}  // namespace
}  // namespace dsd::cpu
