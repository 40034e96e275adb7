#include "core/data/words.h"

namespace dsd {
namespace {

bool is_letter(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  const auto alphanumeric = [](unsigned char c) {
    return c >= 0x80u || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (alphanumeric(byte)) return true;
  const bool joins = byte == '\'' || byte == '-';
  return joins && at > 0 && at + 1 < text.size() && alphanumeric(static_cast<unsigned char>(text[at - 1])) &&
         alphanumeric(static_cast<unsigned char>(text[at + 1]));
}

}  // namespace

std::vector<WordSpan> words_of(std::string_view text) {
  std::vector<WordSpan> words;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!is_letter(text, at)) continue;
    const std::size_t begin = at;
    while (at < text.size() && is_letter(text, at)) ++at;
    words.push_back({begin, at});
  }
  return words;
}

std::string with_words(std::string_view text, const WordChange& change) {
  std::string changed;
  std::size_t copied = 0, index = 0;
  for (const auto [begin, end] : words_of(text)) {
    const auto other = change(text.substr(begin, end - begin), index++);
    if (!other) continue;
    changed.append(text.substr(copied, begin - copied)).append(*other);
    copied = end;
  }
  return changed.append(text.substr(copied));
}

}  // namespace dsd
