#pragma once
// What the fused blocks of a decoder share: products with their gradients, and the norm before a block as its backward
// sees it again. fp32 on a CPU, with bf16 operands where a weight has a shadow.

#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <vector>

#include "core/types/weight.h"

namespace dsd {

// Those that have a master.
std::vector<const Weight*> present(std::initializer_list<const Weight*> all);

// Whether a block has kernels for such rows.
bool is_fused(const Tensor& x);

// y [N, M] = x W^T + bias in fp32; `into`, where defined, is added to.
Tensor product(const Tensor& x, const Weight& weight, const Weight& bias, Tensor into = {});

// d_y in the dtype of the products.
Tensor operand(const Tensor& d_y, const Weight& weight);

// The gradient of x where y = x W^T + bias; adds those of the weights.
Tensor product_backward(const Tensor& d_y, const Tensor& x, const Weight& weight, const Weight& bias);

// The norm before a block: the normalised rows are made anew in backward, not kept.
struct NormBefore {
  Tensor x, inverse;
  double epsilon = 0;

  Tensor rows(const Weight& gain, at::ScalarType type) const;
  void backward(const Tensor& d_rows, const Weight& gain, const Tensor& to_x) const;
};

namespace plain {
// y [N, M] = x [N, K] w^T + b. With a shadow, both operands are rounded to bf16 and the sum is kept in fp32.
Tensor linear(const Tensor& x, const Weight& weight, const Weight& bias);
}  // namespace plain

}  // namespace dsd
