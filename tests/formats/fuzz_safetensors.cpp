// Any bytes: read or refused with an Error; every span within the input; what is read writes and reads again the same.

#include <cstdlib>

#include "core/base/error.h"
#include "core/formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dsd;
  try {
    const std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data), size);
    const SafetensorsFile file = SafetensorsFile::parse(input, "input");
    std::uint64_t sum = 0;
    for (const TensorInfo& tensor : file.tensors()) {
      for (const std::byte byte : tensor.bytes) sum += static_cast<std::uint64_t>(byte);
      if (file.find(tensor.name) != &tensor) std::abort();
    }
    std::string copy;
    write_safetensors([&](std::string_view piece) { copy += piece; }, to_write(file.tensors()), file.metadata());
    const SafetensorsFile again =
        SafetensorsFile::parse({reinterpret_cast<const std::byte*>(copy.data()), copy.size()}, "copy");
    for (const TensorInfo& tensor : again.tensors())
      for (const std::byte byte : tensor.bytes) sum -= static_cast<std::uint64_t>(byte);
    if (sum != 0 || again.tensors().size() != file.tensors().size()) std::abort();
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
