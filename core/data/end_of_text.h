#pragma once
// The token that ends a document of a language model, as the files beside its tokenizer name it.

#include <cstdint>
#include <optional>
#include <string>

#include "core/text/tokenizer.h"

namespace dsd {

struct EndOfText {
  std::int32_t id = 0;
  std::string source;  // "'</s>' of tokenizer_config.json"
};

// `eos_token` of tokenizer_config.json; where that names none, `eos_token_id` of generation_config.json or config.json
// (the first of several). None where no file names one. Error where a file names a token that the vocabulary lacks.
std::optional<EndOfText> end_of_text(const Tokenizer& tokenizer);

}  // namespace dsd
