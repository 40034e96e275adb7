#pragma once
// Products of matrices by the libraries inside LibTorch, with the sum kept in the precision of the result: operands may
// be views (transposed, or columns of a wider matrix), and a result may be added to what is there.

#include <ATen/core/Tensor.h>

namespace dsd {

// c [M, N] = a [M, K] b [K, N], or c += a b. One dtype for all three, or bf16 operands with an fp32 result. Each of a
// and b has unit stride in one dimension, c in its second.
void gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, bool adds);

}  // namespace dsd
