#pragma once
// Text from tokens as they come, in whole characters: a token whose last character is not complete waits for the next.

#include <cstdint>
#include <string>
#include <vector>

#include "core/text/tokenizer.h"

namespace dsd {

class TextStream {
 public:
  explicit TextStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // What the token adds to the text; empty while a character is not complete.
  std::string add(std::int32_t id);
  // What is left when no token follows: a broken character's replacement, or nothing.
  std::string finish();

 private:
  std::string pending() const;  // the text of what came since the context, without the context's own

  const Tokenizer& tokenizer_;
  std::vector<std::int32_t> context_, fresh_;  // a decoder may look at the token before
};

}  // namespace dsd
