#include "core/text/utf8.h"

#include <cstdint>
#include <cstring>

namespace dsd {
namespace {

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// The valid range of a sequence's second byte rules out overlong forms, surrogates and what lies above U+10FFFF.
bool is_second_byte(unsigned char lead, unsigned char second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0 && second <= 0xBF;
    case 0xED:
      return second >= 0x80 && second <= 0x9F;
    case 0xF0:
      return second >= 0x90 && second <= 0xBF;
    case 0xF4:
      return second >= 0x80 && second <= 0x8F;
    default:
      return is_continuation(second);
  }
}

std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

}  // namespace

std::size_t ascii_prefix(std::string_view text) {
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= text.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, sizeof word);
    if (word & 0x8080808080808080u) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

std::optional<std::size_t> check_utf8(std::string_view text) {
  std::size_t at = ascii_prefix(text);
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
      at += ascii_prefix(text.substr(at));
      continue;
    }
    const std::size_t length = sequence_length(lead);
    if (length == 0 || at + length > text.size()) return at;
    if (!is_second_byte(lead, static_cast<unsigned char>(text[at + 1]))) return at;
    for (std::size_t i = 2; i < length; ++i)
      if (!is_continuation(static_cast<unsigned char>(text[at + i]))) return at;
    at += length;
  }
  return std::nullopt;
}

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  for (;;) {
    const auto bad = check_utf8(bytes);
    out += bytes.substr(0, bad.value_or(bytes.size()));
    if (!bad) return out;
    bytes.remove_prefix(*bad);
    const auto lead = static_cast<unsigned char>(bytes[0]);
    std::size_t skipped = 1;
    if (sequence_length(lead) > 1 && bytes.size() > 1 && is_second_byte(lead, static_cast<unsigned char>(bytes[1])))
      for (skipped = 2; skipped < bytes.size() && skipped < sequence_length(lead) &&
                        is_continuation(static_cast<unsigned char>(bytes[skipped]));)
        ++skipped;
    out += "\uFFFD";
    bytes.remove_prefix(skipped);
  }
}

char32_t previous_code_point(std::string_view text, std::size_t& end) {
  do --end;
  while (is_continuation(static_cast<unsigned char>(text[end])));
  std::size_t at = end;
  return next_code_point(text, at);
}

void append_utf8(std::string& text, char32_t code) {
  const auto tail = [&](int shift) { text.push_back(static_cast<char>(0x80 | (code >> shift & 0x3F))); };
  if (code < 0x80) {
    text.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    text.push_back(static_cast<char>(0xC0 | code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    text.push_back(static_cast<char>(0xE0 | code >> 12));
    tail(6), tail(0);
  } else {
    text.push_back(static_cast<char>(0xF0 | code >> 18));
    tail(12), tail(6), tail(0);
  }
}

}  // namespace dsd
