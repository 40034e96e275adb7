#pragma once
// Byte-level BPE from vocab.json and merges.txt: what came before tokenizer.json. They do not say how text is prepared;
// the tokenizer's class does, as transformers builds it.

#include "core/text/tokenizer_parts.h"
#include "core/text/tokenizer_settings.h"

namespace dsd {

TokenizerParts read_vocab_json(const std::filesystem::path& folder, const TokenizerSettings& settings);

}  // namespace dsd
