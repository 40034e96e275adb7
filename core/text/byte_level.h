#pragma once
// Byte-level vocabularies write each byte as one printable character: 'Ġ' is the blank, 'Ċ' the end of a line.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dsd {

// The character of a byte: itself where it is printable Latin-1, else one from U+0100 on.
char32_t byte_level_character(std::uint8_t byte);
std::string to_byte_level(std::string_view bytes);
// The bytes that a token stands for; nothing when one of its characters is no byte's.
std::optional<std::string> from_byte_level(std::string_view token);

}  // namespace dsd
