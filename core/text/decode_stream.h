#pragma once
// Ids to text as they come one by one, from a model that writes: what is handed out is never half a character.

#include <cstdint>
#include <string>
#include <vector>

#include "core/text/tokenizer.h"

namespace dsd {

class DecodeStream {
 public:
  // `tokenizer` outlives it.
  explicit DecodeStream(const Tokenizer& tokenizer, bool skip_special_tokens = true)
      : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {}

  // The text that this id completes; empty while a character is unfinished.
  std::string push(std::int32_t id);
  // What was still held back, U+FFFD for what is unfinished. The stream is as new then.
  std::string finish();

 private:
  std::string decoded() const { return tokenizer_->decode(ids_, skip_special_tokens_); }
  std::string fresh_part(const std::string& text) const;

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<std::int32_t> ids_;  // those that were handed out last, then those that are held back
  std::size_t handed_out_ = 0;     // so many of the first kind
  std::string prefix_;             // their text
};

}  // namespace dsd
