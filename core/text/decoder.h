#pragma once
// From tokens back to text: steps that each turn tokens into tokens, which are joined at the end. A closed set, as the
// stages before; a `Sequence` of tokenizer.json is its steps one after another.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/text/pattern.h"

namespace dsd {

struct JoinDecoder {};  // a file without a decoder: tokens with a blank between
struct WordPieceDecoder {
  std::string prefix = "##";
  bool cleanup = true;  // no blank before a full stop, within "don't", and so on
};
struct ByteLevelDecoder {};     // characters to bytes; what is no UTF-8 then becomes U+FFFD
struct ByteFallbackDecoder {};  // `<0x0A>` to bytes
struct FuseDecoder {};          // all tokens become one
struct MetaspaceDecoder {
  std::string replacement = "\u2581";  // to a blank
  bool drops_first = true;             // but to nothing in the first token
};
struct ReplaceDecoder {
  std::shared_ptr<const Pattern> pattern;
  std::string content;
};
struct StripDecoder {
  std::string content;              // one character
  std::size_t start = 0, stop = 0;  // how many of it go from each end of a token
};
struct SuffixDecoder {
  std::string suffix = "</w>";  // the end of a word: to a blank, in the last token to nothing
};
using DecoderStep = std::variant<JoinDecoder, WordPieceDecoder, ByteLevelDecoder, ByteFallbackDecoder, FuseDecoder,
                                 MetaspaceDecoder, ReplaceDecoder, StripDecoder, SuffixDecoder>;

std::string decode_tokens(std::span<const DecoderStep> steps, std::vector<std::string> tokens);

}  // namespace dsd
