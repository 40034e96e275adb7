#pragma once
// Products of matrices by the libraries inside LibTorch, with the sum kept in the precision of the result: operands may
// be views (transposed, or columns of a wider matrix), and a result may be added to what is there.

#include <ATen/core/Tensor.h>

namespace dsd {

// c [M, N] = a [M, K] b [K, N], or c += a b. One dtype for all three, or bf16 operands with an fp32 result. Each of a
// and b has unit stride in one dimension, c in its second.
void gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, bool adds);

// The same for pieces of fp32 matrices in host memory, by rows: c [m, n] (+)= a b, a being [m, k], or [k, m] where it
// is to be transposed. One thread where a parallel loop calls it.
struct Piece {
  const float* data;
  std::int64_t stride;  // between rows
  bool transposed = false;
};
void gemm_piece(std::int64_t m, std::int64_t n, std::int64_t k, const Piece& a, const Piece& b, float* c,
                std::int64_t c_stride, bool adds);

}  // namespace dsd
