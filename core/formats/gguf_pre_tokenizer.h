#pragma once
// The names that `tokenizer.ggml.pre` gives to the ways in which byte-level BPE cuts text before it merges.

#include <optional>
#include <string>
#include <string_view>

#include "core/formats/json.h"

namespace dsd {

struct PreTokenizerOfGguf {
  Json normalizer, pre_tokenizer;  // of tokenizer.json; null where there is none
  bool ignore_merges = false;      // a piece that is a token stays whole
  bool add_bos = false;            // where the file does not say
};

std::optional<PreTokenizerOfGguf> gguf_pre_tokenizer(std::string_view name);
std::string gguf_pre_tokenizer_names();  // all of them, for messages

}  // namespace dsd
