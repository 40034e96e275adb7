#pragma once
// GGUF files, versions 2 and 3 (llama.cpp's format: weights, often in quantised blocks, with config and tokenizer as
// metadata). The reader maps a file and hands out views of the map; a file is hostile until all of its header has been
// checked: counts, lengths, types, nesting, alignment, offsets, overlaps.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/tensor_info.h"

namespace dsd {

enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

std::string_view gguf_type_name(GgufType type);  // "u32", "text"

// A value of the metadata, as it stands in the map.
struct GgufValue {
  GgufType type = GgufType::u8;
  GgufType item = GgufType::u8;      // of an array
  std::uint64_t count = 1;           // an array's items
  std::span<const std::byte> bytes;  // a text's characters; an array's items, texts with their lengths
};

struct GgufEntry {
  std::string_view key;
  GgufValue value;
};

class GgufFile {
 public:
  static GgufFile open(const std::filesystem::path& path);

  // For bytes already in memory; `source` names them in errors, `owner` keeps them alive.
  static GgufFile parse(std::span<const std::byte> bytes, std::string source,
                        std::shared_ptr<const void> owner = nullptr);

  const std::string& source() const { return source_; }
  std::uint32_t version() const { return version_; }
  std::span<const GgufEntry> metadata() const { return metadata_; }  // in the order of the file
  const GgufValue* value(std::string_view key) const;                // null when there is none
  std::span<const TensorInfo> tensors() const { return tensors_; }   // in the order of the file, under its names
  const TensorInfo* find(std::string_view name) const;               // null when there is none
  std::shared_ptr<const void> owner() const { return owner_; }       // keeps the spans valid

 private:
  std::string source_;
  std::shared_ptr<const void> owner_;
  std::uint32_t version_ = 0;
  std::vector<GgufEntry> metadata_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::size_t> keys_by_name_, tensors_by_name_;  // indices
};

// Typed reads of the metadata. An Error names file and key where one is missing (and has no fallback), of another type,
// or out of range. Texts are views of the map.
class GgufKeys {
 public:
  explicit GgufKeys(const GgufFile& file) : file_(file) {}

  bool has(std::string_view key) const { return file_.value(key) != nullptr; }
  std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most,
                       std::optional<std::int64_t> fallback = std::nullopt) const;
  double number(std::string_view key, std::optional<double> fallback = std::nullopt) const;
  bool boolean(std::string_view key, bool fallback) const;
  std::string_view text(std::string_view key, std::optional<std::string_view> fallback = std::nullopt) const;
  std::vector<std::string_view> texts(std::string_view key) const;
  std::vector<std::int64_t> integers(std::string_view key) const;
  std::vector<float> numbers(std::string_view key) const;

  const std::string& source() const { return file_.source(); }

 private:
  const GgufValue& at(std::string_view key, std::string_view expected) const;
  const GgufValue& array(std::string_view key, std::string_view expected) const;

  const GgufFile& file_;
};

// A value for people: numbers and texts as they are, arrays by their length.
std::string gguf_value_text(const GgufValue& value);

// True for a regular file that opens with GGUF's mark.
bool is_gguf(const std::filesystem::path& path);

}  // namespace dsd
