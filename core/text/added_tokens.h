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
  std::string shown;  // what its id becomes again: `content`, normalised where `normalized` is set; made by Tokenizer
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
  AddedTokenFinder() = default;
  // Finds them as they are `shown`, which is not empty. Of two that look the same the first one is found.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  // Covers `text` with stretches, none empty: leftmost matches, the longest at each place.
  void split(std::string_view text, std::vector<Stretch>& out) const;

 private:
  std::size_t next_candidate(std::string_view text, std::size_t from) const;

  std::vector<AddedToken> tokens_;
  Trie trie_;  // the value is an index into tokens_
  std::string first_bytes_;
};

}  // namespace dsd
