#pragma once
// The words of a text: what stands between blanks and ASCII punctuation (an apostrophe or a hyphen within a word is of
// it).

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsd {

struct WordSpan {
  std::size_t begin = 0, end = 0;  // bytes
};
std::vector<WordSpan> words_of(std::string_view text);

// What stands for a word, counted from 0; none: it stays.
using WordChange = std::function<std::optional<std::string>(std::string_view word, std::size_t index)>;
std::string with_words(std::string_view text, const WordChange& change);

}  // namespace dsd
