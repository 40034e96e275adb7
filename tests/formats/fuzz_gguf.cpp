// Any bytes: read or refused with an Error; every span within the input; values read where their type allows it; and
// whatever names, config and tokenizer it makes of them is text that can be written.

#include <cstdlib>

#include "core/base/error.h"
#include "core/formats/gguf_model.h"
#include "core/formats/gguf_tokenizer.h"

namespace {

using namespace dsd;

template <class Run>
void refused_or_done(Run&& run) {
  try {
    run();
  } catch (const Error&) {}
}

void read(std::span<const std::byte> input) {
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
    refused_or_done([&] { sum += read_values(tensor, "input").size(); });
  }
  if (sum == ~std::uint64_t{0}) std::abort();
  refused_or_done([&] {
    for (const TensorInfo& tensor : hugging_face_tensors(file)) read_values(tensor, "input");
  });
  refused_or_done([&] { hugging_face_config(file); });
  refused_or_done([&] { gguf_tokenizer_json(file); });
  refused_or_done([&] { gguf_tokenizer_config(file); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  refused_or_done([&] { read({reinterpret_cast<const std::byte*>(data), size}); });
  return 0;
}
