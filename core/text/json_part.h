#pragma once
// A value within a JSON file and the words for its place, so that every complaint names file and part. Files come from
// outside: depth is bounded, a doubled key is an error, and a key that nobody reads is one too (`allow`).
// Included by sources only, since nlohmann's header is slow to compile.

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsd {

class JsonPart {
 public:
  // The whole of a file.
  JsonPart(const nlohmann::json& value, const std::filesystem::path& file) : value_(&value), place_(file.string()) {}
  // Something within one.
  JsonPart(const nlohmann::json& value, std::string place, bool is_root)
      : value_(&value), place_(std::move(place)), is_root_(is_root) {}

  const nlohmann::json& value() const { return *value_; }
  bool is_null() const { return value_->is_null(); }
  bool is_object() const { return value_->is_object(); }
  bool is_text() const { return value_->is_string(); }
  bool has(std::string_view key) const;  // there and not null

  // This value as a type; anything else is an error.
  const std::string& text() const;
  bool boolean() const;
  std::int64_t integer(std::int64_t least, std::int64_t most) const;
  std::vector<JsonPart> items() const;  // of an array

  std::string place_of(std::string_view key) const;
  JsonPart operator[](std::string_view key) const;  // must be there
  bool boolean_or(std::string_view key, bool silent) const;
  // Only these keys may stand in this object.
  void allow(std::initializer_list<std::string_view> keys) const;
  // The text of `type`, and the complaint about a type that is not among the supported.
  const std::string& type() const { return (*this)["type"].text(); }
  [[noreturn]] void unsupported_type(std::string_view type_name, std::string_view supported) const;
  [[noreturn]] void wrong(const std::string& complaint) const;

 private:
  const nlohmann::json* value_;
  std::string place_;  // "models/a/tokenizer.json: normalizer"
  bool is_root_ = true;
};

// `file` is named in complaints.
nlohmann::json parse_json_part(std::string_view text, const std::filesystem::path& file);
// Reads a whole file of at most kMostJsonBytes.
inline constexpr std::size_t kMostJsonBytes = std::size_t{64} << 20;
nlohmann::json read_json_file(const std::filesystem::path& path);

// A name or token for a message: cut to a readable length, unprintable bytes shown as '?'.
std::string printable(std::string_view text);

}  // namespace dsd
