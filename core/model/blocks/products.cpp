#include "core/model/blocks/products.h"

#include <ATen/ATen.h>

#include "core/model/blocks/gradients.h"
#include "kernels/decoder_rows.h"
#include "kernels/gemm.h"

namespace dsd {

std::vector<const Weight*> present(std::initializer_list<const Weight*> all) {
  std::vector<const Weight*> weights;
  for (const Weight* weight : all)
    if (weight->master.defined()) weights.push_back(weight);
  return weights;
}

bool is_fused(const Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }

Tensor product(const Tensor& x, const Weight& weight, const Weight& bias, Tensor into) {
  const Tensor& matrix = matrix_of(weight);
  const bool adds = into.defined();
  if (!adds) into = at::empty({x.size(0), matrix.size(0)}, at::kFloat);
  gemm(x, matrix.t(), into, adds);
  if (bias.master.defined()) into.add_(bias.master);
  return into;
}

Tensor operand(const Tensor& d_y, const Weight& weight) { return d_y.to(matrix_of(weight).scalar_type()); }

Tensor product_backward(const Tensor& d_y, const Tensor& x, const Weight& weight, const Weight& bias) {
  if (bias.master.defined() && bias.master.requires_grad()) dense_gradient(bias).add_(d_y.sum(0));
  const Tensor d = operand(d_y, weight);
  add_product_gradient(weight, d, x);
  Tensor d_x = at::empty({x.size(0), x.size(1)}, at::kFloat);
  gemm(d, matrix_of(weight), d_x, false);
  return d_x;
}

Tensor NormBefore::rows(const Weight& gain, at::ScalarType type) const {
  return scale_norm(x, gain.master, epsilon, type, nullptr);
}

void NormBefore::backward(const Tensor& d_rows, const Weight& gain, const Tensor& to_x) const {
  scale_norm_backward(d_rows, x, gain.master, inverse, to_x, gradient_or_none(gain));
}

}  // namespace dsd
