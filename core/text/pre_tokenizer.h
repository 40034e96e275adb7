#pragma once
// The second stage: normalised text is cut into the pieces that the model sees one by one. Steps are a closed set; each
// cuts the pieces of the one before, so a `Sequence` of tokenizer.json is its steps one after another.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/text/normalizer.h"
#include "core/text/pattern.h"

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
struct SplitByPattern {
  std::shared_ptr<const Pattern> pattern;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;  // what the pattern does not match is where it cuts
};
// Before byte-level BPE: GPT-2's words, their bytes taken for characters later (byte_level.h). Always the last step.
struct ByteLevel {
  bool add_prefix_space = false;                   // before each piece that has none
  std::shared_ptr<const Pattern> words = nullptr;  // nothing: pieces stay whole
};
// SentencePiece's way: blanks become `replacement`, and each begins a piece.
struct Metaspace {
  enum class Prepend { always, first /*piece, where it begins the text*/, never };
  std::string replacement = "\u2581";
  Prepend prepend = Prepend::always;
  std::shared_ptr<const Pattern> blank = nullptr;  // the replacement, where pieces are cut at it; else nothing
};
using PreTokenizerStep =
    std::variant<BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits, SplitByPattern, ByteLevel, Metaspace>;

struct Piece {
  std::size_t begin, end;  // bytes; never empty
};

// What pieces are places in: the text that was given, or what a step has made of it.
struct PieceText {
  std::string_view text;             // valid UTF-8
  std::span<const ByteSpan> origin;  // one for each byte, or none
  NormalizedText rewritten;          // what the two above look at once a step has changed the text
};

// Whether the pieces depend on where the text comes from.
bool needs_origin(std::span<const PreTokenizerStep> steps);

// Replaces `pieces` by those of `text`. `begins_text`: nothing stands before it.
void pre_tokenize(std::span<const PreTokenizerStep> steps, bool begins_text, PieceText& text,
                  std::vector<Piece>& pieces);

// The pattern of GPT-2's words.
std::shared_ptr<const Pattern> byte_level_words();

}  // namespace dsd
