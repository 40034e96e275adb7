#pragma once
// A hash of everything in a tokenizer that determines ids, whatever file it came from and however that is laid out.

#include "core/base/hash.h"
#include "core/text/tokenizer_parts.h"

namespace dsd {

Key128 fingerprint_of(const TokenizerParts& parts);

}  // namespace dsd
