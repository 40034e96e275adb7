#pragma once
// Slips of typing, for text that models are to bear: within a word two letters change places, one is left out, one is
// doubled, or the key beside it is struck.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/random.h"

namespace dsd {

// `text` (UTF-8) with a slip in each word of three characters or more with this probability; the first character stays.
// A word is what stands between blanks and ASCII punctuation. A pure function of the key and the row.
std::string with_slips(std::string_view text, double probability, const RandomKey& key, std::uint64_t row);

}  // namespace dsd
