#pragma once
// WordPiece: a piece of text becomes the longest entries of the vocabulary, from the left; entries within a word carry
// a prefix. A piece that cannot be covered so is one unknown token.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/model_token.h"
#include "core/text/trie.h"
#include "core/text/vocabulary.h"

namespace dsd {

struct WordPiece {
  std::int32_t unknown_id = 0;
  std::string continuing_prefix = "##";
  std::int64_t max_input_chars_per_word = 100;
};

class WordPieceModel {
 public:
  WordPieceModel(const WordPiece& config, const Vocabulary& vocabulary);
  // Appends the tokens of `piece`, which is valid UTF-8 and not empty.
  void tokenize(std::string_view piece, std::vector<ModelToken>& tokens) const;

 private:
  WordPiece config_;
  Trie trie_;
  Trie::Node continuation_;  // where entries within a word begin; nowhere when there are none
};

}  // namespace dsd
