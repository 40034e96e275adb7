#pragma once
// The merging of BPE alone, over symbols.

#include <cstdint>
#include <vector>

#include "core/text/token_table.h"

namespace dsd {

struct BpeSymbol {
  std::int32_t id;
  std::uint32_t size;  // bytes
};

// Merges neighbours until no pair of them is known: the least rank first, of equals the leftmost.
void merge_symbols(const PairTable& merges, std::vector<BpeSymbol>& symbols);

}  // namespace dsd
