#pragma once
// GGUF files made by hand, byte by byte, so that tests can break each of them.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/gguf.h"

namespace dsd::testing {

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string gguf_text(std::string_view text) { return raw<std::uint64_t>(text.size()) + std::string(text); }

inline std::string gguf_type(GgufType type) { return raw(static_cast<std::uint32_t>(type)); }

inline std::string gguf_entry(std::string_view key, GgufType type, const std::string& value) {
  return gguf_text(key) + gguf_type(type) + value;
}

inline std::string gguf_entry(std::string_view key, std::string_view text) {
  return gguf_entry(key, GgufType::text, gguf_text(text));
}

inline std::string gguf_entry(std::string_view key, std::uint32_t number) {
  return gguf_entry(key, GgufType::u32, raw(number));
}

inline std::string gguf_array(GgufType item, std::uint64_t count, const std::string& items) {
  return gguf_type(item) + raw(count) + items;
}

inline std::string gguf_texts(std::string_view key, const std::vector<std::string>& texts) {
  std::string items;
  for (const std::string& text : texts) items += gguf_text(text);
  return gguf_entry(key, GgufType::array, gguf_array(GgufType::text, texts.size(), items));
}

// A tensor's description; `shape` has the innermost dimension first, as the file.
inline std::string gguf_tensor(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                               std::uint64_t offset) {
  std::string bytes = gguf_text(name) + raw(static_cast<std::uint32_t>(shape.size()));
  for (const std::uint64_t dimension : shape) bytes += raw(dimension);
  return bytes + raw(type) + raw(offset);
}

// The whole file, its data aligned to 32.
inline std::string gguf(const std::vector<std::string>& entries, const std::vector<std::string>& tensors = {},
                        const std::string& data = "", std::uint32_t version = 3) {
  std::string file = "GGUF" + raw(version) + raw<std::uint64_t>(tensors.size()) + raw<std::uint64_t>(entries.size());
  for (const std::string& entry : entries) file += entry;
  for (const std::string& tensor : tensors) file += tensor;
  if (!data.empty()) file.append((32 - file.size() % 32) % 32, '\0');
  return file + data;
}

}  // namespace dsd::testing
