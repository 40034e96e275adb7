// Any text: a config or an Error; what is read is written, and read again to the same values.

#include <cstdlib>

#include "core/base/error.h"
#include "core/formats/hf_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dsd;
  std::optional<ModelConfig> config;
  try {
    config = parse_model_config({reinterpret_cast<const char*>(data), size}, "input");
  } catch (const Error&) {
    return 0;
  }
  const ModelConfig again = parse_model_config(write_model_config(*config, Dtype::f32), "copy");
  if (again.family != config->family || again.head.labels != config->head.labels) std::abort();
  return 0;
}
