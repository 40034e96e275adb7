#include "core/data/typing_slips.h"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/unit_interval.h"
#include "core/data/words.h"

namespace dsd {
namespace {

constexpr std::array<std::string_view, 3> kKeys{"qwertyuiop", "asdfghjkl", "zxcvbnm"};

// A key beside that of a letter; none where it is no Latin letter.
std::optional<char> beside(char letter, bool right) {
  const bool upper = letter >= 'A' && letter <= 'Z';
  const char small = upper ? static_cast<char>(letter - 'A' + 'a') : letter;
  for (const auto row : kKeys)
    if (const auto at = row.find(small); at != std::string_view::npos) {
      const bool last = at + 1 == row.size(), first = at == 0;
      const char key = row[(right && !last) || first ? at + 1 : at - 1];
      return upper ? static_cast<char>(key - 'a' + 'A') : key;
    }
  return std::nullopt;
}

// The characters of UTF-8 text, each a view of its bytes.
std::vector<std::string_view> characters_of(std::string_view word) {
  std::vector<std::string_view> characters;
  for (std::size_t at = 0; at < word.size();) {
    std::size_t end = at + 1;
    while (end < word.size() && (static_cast<unsigned char>(word[end]) & 0xC0u) == 0x80u) ++end;
    characters.push_back(word.substr(at, end - at));
    at = end;
  }
  return characters;
}

std::string slipped(std::string_view word, const std::array<std::uint32_t, 4>& random) {
  auto characters = characters_of(word);
  const std::size_t inner = characters.size() - 1;
  const std::size_t at = 1 + random[1] % inner;
  std::string struck;
  switch (random[2] % 4) {
    case 0:
      std::swap(characters[at], characters[at + 1 < characters.size() ? at + 1 : at - 1]);
      break;
    case 1:
      characters.insert(characters.begin() + static_cast<std::ptrdiff_t>(at), characters[at]);
      break;
    case 2:
      if (const auto key = characters[at].size() == 1 ? beside(characters[at][0], random[3] % 2 == 0) : std::nullopt) {
        struck = *key;
        characters[at] = struck;
        break;
      }
      [[fallthrough]];
    default:
      characters.erase(characters.begin() + static_cast<std::ptrdiff_t>(at));
  }
  std::string text;
  for (const auto character : characters) text += character;
  return text;
}

}  // namespace

std::string with_slips(std::string_view text, double probability, const RandomKey& key, std::uint64_t row) {
  const auto words = philox_key(key);
  return with_words(text, [&](std::string_view word, std::size_t index) -> std::optional<std::string> {
    if (characters_of(word).size() < 3) return std::nullopt;
    const auto random = philox(
        {static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32), static_cast<std::uint32_t>(index), 3},
        words);
    if (unit_interval(random[0]) >= probability) return std::nullopt;
    return slipped(word, random);
  });
}

}  // namespace dsd
