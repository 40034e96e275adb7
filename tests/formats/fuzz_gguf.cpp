// Any bytes: read or refused with an Error; every span within the input; values read where their type allows it.

#include <cstdlib>

#include "core/base/error.h"
#include "core/formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dsd;
  const std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data), size);
  try {
    const GgufFile file = GgufFile::parse(input, "input");
    std::uint64_t sum = 0;
    for (const GgufEntry& entry : file.metadata()) {
      if (file.value(entry.key) != &entry.value) std::abort();
      sum += gguf_value_text(entry.value).size();
      for (const std::byte byte : entry.value.bytes) sum += static_cast<std::uint64_t>(byte);
    }
    for (const TensorInfo& tensor : file.tensors()) {
      if (file.find(tensor.name) != &tensor) std::abort();
      for (const std::byte byte : tensor.bytes) sum += static_cast<std::uint64_t>(byte);
      try {
        sum += read_values(tensor, "input").size();
      } catch (const Error&) {  // a type that is only listed
      }
    }
    if (sum == ~std::uint64_t{0}) std::abort();
  } catch (const Error&) {}
  return 0;
}
