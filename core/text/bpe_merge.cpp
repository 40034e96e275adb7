#include "core/text/bpe_merge.h"

#include <cstddef>
#include <limits>
#include <queue>

namespace dsd {
namespace {

constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();

// Few symbols: look at all of them for each merge. `next` tells what a symbol and the one behind it become.
void merge_few(const PairTable& merges, std::vector<BpeSymbol>& symbols) {
  struct Next {
    std::uint32_t rank;
    std::int32_t whole;
  };
  constexpr std::size_t kMost = 64;
  Next next[kMost];
  const auto look = [&](std::size_t at) {
    const auto* found = merges.find(symbols[at].id, symbols[at + 1].id);
    next[at] = found != nullptr ? Next{found->rank, found->whole} : Next{kNoRank, 0};
  };
  std::size_t count = symbols.size();
  for (std::size_t i = 0; i + 1 < count; ++i) look(i);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i)
      if (next[i].rank < next[best].rank) best = i;
    if (next[best].rank == kNoRank) break;
    symbols[best] = {next[best].whole, symbols[best].size + symbols[best + 1].size};
    --count;
    for (std::size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      next[i - 1] = next[i];
    }
    if (best > 0) look(best - 1);
    if (best + 1 < count) look(best);
  }
  symbols.resize(count);
}

// Many symbols: a queue of the pairs, and links over the ones that are gone.
class Queue {
 public:
  Queue(const PairTable& merges, std::vector<BpeSymbol>& symbols) : merges_(merges), symbols_(symbols) {
    const std::size_t count = symbols.size();
    before_.resize(count);
    behind_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      before_[i] = static_cast<std::uint32_t>(i) - 1;
      behind_[i] = static_cast<std::uint32_t>(i) + 1;
    }
    for (std::size_t i = 0; i + 1 < count; ++i) push(static_cast<std::uint32_t>(i));
  }

  void run() {
    while (!pairs_.empty()) {
      const Pair pair = pairs_.top();
      pairs_.pop();
      const std::uint32_t at = static_cast<std::uint32_t>(pair.rank_and_place);
      const std::uint32_t other = behind_[at];
      if (symbols_[at].size == 0 || other >= symbols_.size()) continue;
      const auto* now = merges_.find(symbols_[at].id, symbols_[other].id);
      if (now == nullptr || now->whole != pair.whole) continue;  // one of the two has become another since
      symbols_[at] = {pair.whole, symbols_[at].size + symbols_[other].size};
      symbols_[other].size = 0;
      behind_[at] = behind_[other];
      if (behind_[at] < symbols_.size()) before_[behind_[at]] = at;
      if (before_[at] < symbols_.size()) push(before_[at]);
      push(at);
    }
    std::erase_if(symbols_, [](const BpeSymbol& symbol) { return symbol.size == 0; });
  }

 private:
  struct Pair {
    std::uint64_t rank_and_place;
    std::int32_t whole;
    bool operator<(const Pair& other) const { return rank_and_place > other.rank_and_place; }  // least on top
  };

  void push(std::uint32_t at) {
    if (behind_[at] >= symbols_.size()) return;
    const auto* found = merges_.find(symbols_[at].id, symbols_[behind_[at]].id);
    if (found != nullptr) pairs_.push({std::uint64_t{found->rank} << 32 | at, found->whole});
  }

  const PairTable& merges_;
  std::vector<BpeSymbol>& symbols_;
  std::vector<std::uint32_t> before_, behind_;  // an index, or one that is no symbol's
  std::priority_queue<Pair> pairs_;
};

}  // namespace

void merge_symbols(const PairTable& merges, std::vector<BpeSymbol>& symbols) {
  constexpr std::size_t kFew = 48;
  if (symbols.size() < 2) return;
  if (symbols.size() <= kFew) merge_few(merges, symbols);
  else Queue(merges, symbols).run();
}

}  // namespace dsd
