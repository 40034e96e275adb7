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
  std::string behind_prefix(const std::string& text) const;

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<std::int32_t> ids_;  // those that what comes may still depend on
  std::string prefix_;             // the text of the first of them: handed out already
  std::size_t prefix_ids_ = 0;     // so many
};

}  // namespace dsd
