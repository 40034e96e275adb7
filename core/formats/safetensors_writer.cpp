#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "core/base/error.h"
#include "core/formats/json.h"
#include "core/formats/safetensors.h"

namespace dsd {
namespace {

constexpr std::size_t kHeaderAlignment = 8;

std::uint64_t bytes_of(const TensorToWrite& tensor) {
  const std::optional<std::uint64_t> bytes = dense_bytes(tensor.dtype, tensor.shape);
  if (!bytes || is_quantised(tensor.dtype))
    fail("tensor '{}': {} of shape {} cannot be written", tensor.name, dtype_name(tensor.dtype),
         shape_text(tensor.shape));
  return *bytes;
}

// The reference writer's order: widest dtype first, so that every tensor is aligned, then by name.
std::vector<const TensorToWrite*> in_file_order(std::span<const TensorToWrite> tensors) {
  std::vector<const TensorToWrite*> order;
  order.reserve(tensors.size());
  for (const TensorToWrite& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    return a->dtype != b->dtype ? a->dtype > b->dtype : a->name < b->name;
  });
  return order;
}

void check_names(std::span<const TensorToWrite> tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorToWrite& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) fail("tensor '{}' would be written twice", *twice);
  if (std::binary_search(names.begin(), names.end(), "__metadata__"))
    fail("a tensor cannot be called '__metadata__' in a safetensors file");
}

std::string header_text(const std::vector<const TensorToWrite*>& order, const Metadata& metadata) {
  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":{";
  for (const auto& [key, value] : metadata) {
    if (header.back() != '{') header += ',';
    header += json_quoted(key) + ":" + json_quoted(value);
  }
  if (!metadata.empty()) header += '}';
  std::uint64_t at = 0;
  for (const TensorToWrite* tensor : order) {
    const std::uint64_t end = at + bytes_of(*tensor);
    if (header.size() > 1) header += ',';
    header += json_quoted(tensor->name);
    header += fmt::format(R"(:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", dtype_name(tensor->dtype),
                          fmt::join(tensor->shape, ","), at, end);
    at = end;
  }
  header += '}';
  header.append((kHeaderAlignment - header.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  return header;
}

}  // namespace

void write_safetensors(const Sink& sink, std::span<const TensorToWrite> tensors, const Metadata& metadata) {
  check_names(tensors);
  const std::vector<const TensorToWrite*> order = in_file_order(tensors);
  const std::string header = header_text(order, metadata);
  const std::uint64_t length = header.size();
  char length_bytes[sizeof length];
  std::memcpy(length_bytes, &length, sizeof length);
  sink({length_bytes, sizeof length});
  sink(header);
  for (const TensorToWrite* tensor : order) {
    std::uint64_t written = 0;
    tensor->write([&](std::string_view bytes) {
      written += bytes.size();
      sink(bytes);
    });
    if (written != bytes_of(*tensor))
      fail("tensor '{}': {} bytes were handed over, but {} of shape {} takes {}", tensor->name, written,
           dtype_name(tensor->dtype), shape_text(tensor->shape), bytes_of(*tensor));
  }
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       const Metadata& metadata) {
  write_atomically(path, [&](const Sink& sink) { write_safetensors(sink, tensors, metadata); });
}

std::vector<TensorToWrite> to_write(std::span<const TensorInfo> tensors) {
  std::vector<TensorToWrite> result;
  result.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) {
    const std::span<const std::byte> bytes = tensor.bytes;
    result.push_back({tensor.name, tensor.dtype, tensor.shape, [bytes](const Sink& sink) {
                        sink({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
                      }});
  }
  return result;
}

}  // namespace dsd
