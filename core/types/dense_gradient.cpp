#include "core/types/dense_gradient.h"

#include <ATen/ATen.h>

namespace dsd {

at::Tensor dense_gradient(const at::Tensor& master) {
  at::Tensor& gradient = master.mutable_grad();
  if (!gradient.defined()) gradient = at::zeros_like(master, at::MemoryFormat::Contiguous);
  return gradient;
}

}  // namespace dsd
