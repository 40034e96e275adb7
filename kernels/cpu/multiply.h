#pragma once
// Products of matrices so small that they live in the first-level cache: what attention does inside one head.

#include "kernels/cpu/vector.h"

namespace dsd::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int kTileRows = 8;
#else
constexpr int kTileRows = 4;
#endif
constexpr int kTileVectors = 2;

// Element (row, k) stands at data[row * row_stride + k * step].
struct Left {
  const float* data;
  std::int64_t row_stride, step;
};

template <int kRows, int kVectors, bool kAdds>
inline void multiply_tile(Left a, const float* b, std::int64_t b_stride, std::int64_t depth, float* c,
                          std::int64_t c_stride) {
  Floats sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int vector = 0; vector < kVectors; ++vector) {
      sums[row][vector] = kAdds ? load(c + row * c_stride + vector * kLanes) : Floats{};
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    Floats right[kVectors];
#pragma GCC unroll 2
    for (int vector = 0; vector < kVectors; ++vector) right[vector] = load(b + k * b_stride + vector * kLanes);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const Floats left = splat(a.data[row * a.row_stride + k * a.step]);
#pragma GCC unroll 2
      for (int vector = 0; vector < kVectors; ++vector) sums[row][vector] = fma(left, right[vector], sums[row][vector]);
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int vector = 0; vector < kVectors; ++vector) store(c + row * c_stride + vector * kLanes, sums[row][vector]);
  }
}

// c [rows, columns] = a b, or added to; columns is a multiple of 16. Rows that do not fill a tile take smaller ones.
template <bool kAdds, int kRows = kTileRows>
inline void multiply(Left a, const float* b, std::int64_t b_stride, std::int64_t depth, float* c, std::int64_t c_stride,
                     std::int64_t rows, std::int64_t columns) {
  std::int64_t row = 0;
  for (; row + kRows <= rows; row += kRows) {
    const Left part{a.data + row * a.row_stride, a.row_stride, a.step};
    std::int64_t column = 0;
    for (; column + kTileVectors * kLanes <= columns; column += kTileVectors * kLanes) {
      multiply_tile<kRows, kTileVectors, kAdds>(part, b + column, b_stride, depth, c + row * c_stride + column,
                                                c_stride);
    }
    if (column < columns) {
      multiply_tile<kRows, 1, kAdds>(part, b + column, b_stride, depth, c + row * c_stride + column, c_stride);
    }
  }
  if constexpr (kRows > 1) {
    if (row < rows) {
      multiply<kAdds, kRows / 2>({a.data + row * a.row_stride, a.row_stride, a.step}, b, b_stride, depth,
                                 c + row * c_stride, c_stride, rows - row, columns);
    }
  }
}

}  // namespace
}  // namespace dsd::cpu
