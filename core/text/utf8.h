#pragma once
// UTF-8, checked once at the door and then trusted: where it is broken, its code points one by one, and back to bytes.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dsd {

// The first byte that no valid UTF-8 text has in its place (overlong forms, surrogates and cut sequences count), or
// nothing.
std::optional<std::size_t> check_utf8(std::string_view text);

// `bytes` with U+FFFD for what is not valid UTF-8: one for each longest start of a character that is not finished, else
// one for each byte.
std::string valid_utf8(std::string_view bytes);

// Length of the run of plain ASCII at the start of `text`.
std::size_t ascii_prefix(std::string_view text);

// The code point that starts at `at`, which moves past it. For text that check_utf8 has passed.
inline char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t ahead) { return static_cast<unsigned char>(text[at + ahead]); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return at += 1, lead;
  if (lead < 0xE0) {
    const char32_t code = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    return at += 2, code;
  }
  if (lead < 0xF0) {
    const char32_t code = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return at += 3, code;
  }
  const char32_t code = (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  return at += 4, code;
}

// The code point that ends before `end`, which is above 0 and moves to its start.
char32_t previous_code_point(std::string_view text, std::size_t& end);

void append_utf8(std::string& text, char32_t code);

}  // namespace dsd
