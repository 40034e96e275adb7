#include <cuda_runtime_api.h>
#include <nccl.h>

#include "core/base/device.h"
#include "core/base/error.h"

namespace dsd {

std::string accelerator_versions() {
  int nccl = 0;
  if (ncclGetVersion(&nccl) != ncclSuccess) fail("NCCL is linked, but does not tell its version");
  return fmt::format("CUDA {}.{}\nNCCL {}.{}.{}\n", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, nccl / 10000,
                     nccl % 10000 / 100, nccl % 100);
}

void require_cuda() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess)
    fail("train.device is cuda, but no GPU can be used: {}; take --set train.device=cpu", cudaGetErrorString(status));
  if (count == 0) fail("train.device is cuda, but this machine has no GPU; take --set train.device=cpu");
}

}  // namespace dsd
