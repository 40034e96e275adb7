#pragma once
// Tokens that are found in the text before the model sees it: `[SEP]`, `<mask>` and the like. Those with `normalized`
// are looked for in the normalised text and by their normalised form, the others in the raw text.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/trie.h"

namespace dsd {

struct AddedToken {
  std::string content;
  std::int32_t id = -1;
  bool single_word = false;  // not where a word character stands beside it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;
  bool normalized = false;
  bool special = false;  // left out when ids become text again
};

// A stretch of text that is one added token, or none (id < 0).
struct Stretch {
  std::size_t begin, end;
  std::int32_t id;
};

class AddedTokenFinder {
 public:
  struct Pattern {
    std::string text;  // not empty
    AddedToken token;
  };
  AddedTokenFinder() = default;
  explicit AddedTokenFinder(std::vector<Pattern> patterns);

  // Covers `text` with stretches, none empty: leftmost matches, the longest at each place.
  void split(std::string_view text, std::vector<Stretch>& out) const;

 private:
  std::size_t next_candidate(std::string_view text, std::size_t from) const;

  std::vector<Pattern> patterns_;
  Trie trie_;  // the value is an index into patterns_
  std::string first_bytes_;
};

}  // namespace dsd
