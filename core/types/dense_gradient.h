#pragma once
// Where hand-written backwards add the gradient of a leaf.

#include <ATen/core/Tensor.h>

namespace dsd {

// master.grad(), allocated as zeros when there is none.
at::Tensor dense_gradient(const at::Tensor& master);

}  // namespace dsd
