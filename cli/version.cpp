#include <c10/macros/Macros.h>
#include <torch/version.h>

#include "cli/commands.h"
#include "core/base/device.h"

namespace dsd {

std::string version_text() {
  return fmt::format("dsdistill {}\nLibTorch {}\n{}", DSD_VERSION, TORCH_VERSION, accelerator_versions());
}

}  // namespace dsd
