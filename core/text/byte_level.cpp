#include "core/text/byte_level.h"

#include <array>

#include "core/text/utf8.h"

namespace dsd {
namespace {

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> kCharacters = [] {
  std::array<char32_t, 256> characters{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) characters[byte] = stands_for_itself(byte) ? byte : next++;
  return characters;
}();

constexpr char32_t kEnd = 0x100 + 68;  // behind the last character in use
constexpr std::array<std::int16_t, kEnd> kBytes = [] {
  std::array<std::int16_t, kEnd> bytes{};
  for (std::int16_t& byte : bytes) byte = -1;
  for (std::size_t byte = 0; byte < 256; ++byte) bytes[kCharacters[byte]] = static_cast<std::int16_t>(byte);
  return bytes;
}();

}  // namespace

char32_t byte_level_character(std::uint8_t byte) { return kCharacters[byte]; }

std::string to_byte_level(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(text, kCharacters[static_cast<std::uint8_t>(byte)]);
  return text;
}

std::optional<std::string> from_byte_level(std::string_view token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    const char32_t code = next_code_point(token, at);
    if (code >= kEnd || kBytes[code] < 0) return std::nullopt;
    bytes += static_cast<char>(kBytes[code]);
  }
  return bytes;
}

}  // namespace dsd
