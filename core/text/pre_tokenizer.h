#pragma once
// The second stage: normalised text is cut into the pieces that the model sees one by one. Steps are a closed set; each
// cuts the pieces of the one before, so a `Sequence` of tokenizer.json is its steps one after another.

#include <cstddef>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace dsd {

// What becomes of the places where a step cuts.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

struct BertPreTokenizer {};  // white space removed, each punctuation mark alone
struct Whitespace {};        // runs of word characters, runs of others; white space removed
struct WhitespaceSplit {};
struct Punctuation {
  SplitBehavior behavior = SplitBehavior::isolated;
};
struct Digits {
  bool individual_digits = false;
};
using PreTokenizerStep = std::variant<BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits>;

struct Piece {
  std::size_t begin, end;  // bytes; never empty
};

// Replaces `pieces` by those of `text`, which is valid UTF-8.
void pre_tokenize(std::span<const PreTokenizerStep> steps, std::string_view text, std::vector<Piece>& pieces);

}  // namespace dsd
