#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/error.h"
#include "core/formats/gguf.h"
#include "core/formats/gguf_header.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::string_view characters(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A whole number of any width; nothing for another type, or one beyond int64.
std::optional<std::int64_t> integer_at(GgufType type, const std::byte* at) {
  switch (type) {
    case GgufType::u8:
      return load<std::uint8_t>(at);
    case GgufType::i8:
      return load<std::int8_t>(at);
    case GgufType::u16:
      return load<std::uint16_t>(at);
    case GgufType::i16:
      return load<std::int16_t>(at);
    case GgufType::u32:
      return load<std::uint32_t>(at);
    case GgufType::i32:
      return load<std::int32_t>(at);
    case GgufType::i64:
      return load<std::int64_t>(at);
    case GgufType::u64: {
      const auto value = load<std::uint64_t>(at);
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
      return static_cast<std::int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> number_at(GgufType type, const std::byte* at) {
  if (type == GgufType::f32) return load<float>(at);
  if (type == GgufType::f64) return load<double>(at);
  if (const auto whole = integer_at(type, at)) return static_cast<double>(*whole);
  return std::nullopt;
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  constexpr std::string_view kNames[] = {"u8",      "i8",   "u16",   "i16", "u32", "i32", "f32",
                                         "boolean", "text", "array", "u64", "i64", "f64"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string gguf_value_text(const GgufValue& value) {
  if (value.type == GgufType::text) return fmt::format("'{}'", brief(std::string(characters(value.bytes))));
  if (value.type == GgufType::array) return fmt::format("an array of {} {}", value.count, gguf_type_name(value.item));
  if (value.type == GgufType::boolean) return load<std::uint8_t>(value.bytes.data()) != 0 ? "true" : "false";
  if (value.type == GgufType::u64) return fmt::format("{}", load<std::uint64_t>(value.bytes.data()));
  if (value.type == GgufType::f32) return fmt::format("{}", load<float>(value.bytes.data()));
  if (value.type == GgufType::f64) return fmt::format("{}", load<double>(value.bytes.data()));
  return fmt::format("{}", *integer_at(value.type, value.bytes.data()));
}

const GgufValue& GgufKeys::at(std::string_view key, std::string_view expected) const {
  const GgufValue* value = file_.value(key);
  if (value == nullptr) fail("{}: its metadata has no '{}'; expected {}", source(), key, expected);
  return *value;
}

const GgufValue& GgufKeys::array(std::string_view key, std::string_view expected) const {
  const GgufValue& value = at(key, expected);
  if (value.type != GgufType::array)
    fail("{}: '{}' is {}; expected {}", source(), key, gguf_value_text(value), expected);
  return value;
}

std::int64_t GgufKeys::integer(std::string_view key, std::int64_t least, std::int64_t most,
                               std::optional<std::int64_t> fallback) const {
  if (fallback && !has(key)) return *fallback;
  const std::string expected = fmt::format("a whole number from {} to {}", least, most);
  const GgufValue& value = at(key, expected);
  const auto result = value.type == GgufType::array ? std::nullopt : integer_at(value.type, value.bytes.data());
  if (!result || *result < least || *result > most)
    fail("{}: '{}' is {}; expected {}", source(), key, gguf_value_text(value), expected);
  return *result;
}

double GgufKeys::number(std::string_view key, std::optional<double> fallback) const {
  if (fallback && !has(key)) return *fallback;
  const GgufValue& value = at(key, "a number");
  const bool single = value.type != GgufType::array && value.type != GgufType::text;
  const auto result = single ? number_at(value.type, value.bytes.data()) : std::nullopt;
  if (!result || !std::isfinite(*result))
    fail("{}: '{}' is {}; expected a finite number", source(), key, gguf_value_text(value));
  return *result;
}

bool GgufKeys::boolean(std::string_view key, bool fallback) const {
  if (!has(key)) return fallback;
  const GgufValue& value = at(key, "");
  if (value.type != GgufType::boolean)
    fail("{}: '{}' is {}; expected true or false", source(), key, gguf_value_text(value));
  return load<std::uint8_t>(value.bytes.data()) != 0;
}

std::string_view GgufKeys::text(std::string_view key, std::optional<std::string_view> fallback) const {
  if (fallback && !has(key)) return *fallback;
  const GgufValue& value = at(key, "a text");
  if (value.type != GgufType::text) fail("{}: '{}' is {}; expected a text", source(), key, gguf_value_text(value));
  return characters(value.bytes);
}

std::vector<std::string_view> GgufKeys::texts(std::string_view key) const {
  const GgufValue& value = array(key, "an array of texts");
  if (value.item != GgufType::text && value.count > 0)
    fail("{}: '{}' is {}; expected texts", source(), key, gguf_value_text(value));
  std::vector<std::string_view> result;
  result.reserve(value.count);  // each took eight bytes of the file at least
  const std::byte* next = value.bytes.data();
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const auto length = load<std::uint64_t>(next);
    result.emplace_back(reinterpret_cast<const char*>(next + 8), length);
    next += 8 + length;
  }
  return result;
}

std::vector<std::int64_t> GgufKeys::integers(std::string_view key) const {
  const GgufValue& value = array(key, "an array of whole numbers");
  std::vector<std::int64_t> result;
  const std::size_t bytes = gguf_type_bytes(value.item);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const auto number = bytes == 0 ? std::nullopt : integer_at(value.item, value.bytes.data() + i * bytes);
    if (!number) fail("{}: '{}' is {}; expected whole numbers", source(), key, gguf_value_text(value));
    result.push_back(*number);
  }
  return result;
}

std::vector<float> GgufKeys::numbers(std::string_view key) const {
  const GgufValue& value = array(key, "an array of numbers");
  std::vector<float> result;
  const std::size_t bytes = gguf_type_bytes(value.item);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const auto number = bytes == 0 ? std::nullopt : number_at(value.item, value.bytes.data() + i * bytes);
    if (!number) fail("{}: '{}' is {}; expected numbers", source(), key, gguf_value_text(value));
    result.push_back(static_cast<float>(*number));
  }
  return result;
}

}  // namespace dsd
