#include "core/base/device.h"
#include "core/base/error.h"

namespace dsd {

std::string accelerator_versions() { return "CUDA none (CPU build)\nNCCL none (CPU build)\n"; }

void require_cuda() {
  fail(
      "train.device is cuda, but this binary is a CPU build; run scripts/build.sh cuda, or take --set "
      "train.device=cpu");
}

}  // namespace dsd
