#include "core/base/error.h"
#include "kernels/adamw_cuda.h"

namespace dsd {

void adamw_dense_cuda(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, float,
                      const at::Tensor&, const AdamSettings&, const AdamStep&, bool) {
  fail("AdamW on a GPU needs a CUDA build: scripts/build.sh cuda");
}

}  // namespace dsd
