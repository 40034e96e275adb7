#pragma once
// From tokens back to text. A closed set, as the stages before.

#include <string>
#include <variant>
#include <vector>

namespace dsd {

struct JoinDecoder {};  // a file without a decoder: tokens with a blank between
struct WordPieceDecoder {
  std::string prefix = "##";
  bool cleanup = true;  // no blank before a full stop, within "don't", and so on
};
using Decoder = std::variant<JoinDecoder, WordPieceDecoder>;

std::string decode_tokens(const Decoder& decoder, const std::vector<std::string>& tokens);

}  // namespace dsd
