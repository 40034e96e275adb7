#pragma once
// The tokenizer in a GGUF file's metadata as the Hugging Face files that it stands for.

#include <string>

#include "core/formats/gguf.h"

namespace dsd {

// Byte-level BPE (tokenizer.ggml.model gpt2, cut up as tokenizer.ggml.pre says) and SentencePiece's BPE (llama). Error
// for another model, a pre-tokenizer that is not known, and a vocabulary or merges that do not fit each other.
std::string gguf_tokenizer_json(const GgufFile& file);  // text of tokenizer.json

// Text of tokenizer_config.json: the special tokens by their roles, and the chat template.
std::string gguf_tokenizer_config(const GgufFile& file);

}  // namespace dsd
