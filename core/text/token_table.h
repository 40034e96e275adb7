#pragma once
// Tokens by their bytes and pairs of tokens by their ids: open tables that are filled once and read by many threads.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dsd {

class TokenTable {
 public:
  static constexpr std::int32_t kNothing = -1;

  TokenTable() = default;
  // Room for so many tokens of so many bytes in all.
  TokenTable(std::size_t tokens, std::size_t bytes);

  // Ids are not negative. Of equal tokens the later one counts. True when the token is new.
  bool add(std::string_view token, std::int32_t id);
  std::int32_t find(std::string_view token) const;

 private:
  struct Slot {
    std::uint32_t begin = 0, size = 0;  // in bytes_
    std::int32_t id = kNothing;
    std::uint32_t check = 0;  // more of the hash
  };
  std::size_t slot_of(std::string_view token, std::uint64_t hash) const;

  std::vector<Slot> slots_;  // a power of two, or none
  std::string bytes_;
};

class PairTable {
 public:
  struct Merge {
    std::uint64_t pair = ~std::uint64_t{0};
    std::uint32_t rank = 0;
    std::int32_t whole = 0;
  };

  PairTable() = default;
  explicit PairTable(std::size_t pairs);

  // Of equal pairs the later one counts.
  void add(std::int32_t left, std::int32_t right, std::uint32_t rank, std::int32_t whole);
  // Nothing when the two are not merged.
  const Merge* find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t pair = pair_of(left, right);
    for (std::size_t slot = hash_of(pair) & mask_;; slot = (slot + 1) & mask_) {
      const Merge& merge = slots_[slot];
      if (merge.pair == pair) return &merge;
      if (merge.pair == kFree) return nullptr;
    }
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  static std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }
  static std::size_t hash_of(std::uint64_t pair) {
    const std::uint64_t mixed = (pair ^ pair >> 29) * 0x9E3779B97F4A7C15u;
    return static_cast<std::size_t>(mixed ^ mixed >> 32);
  }

  std::vector<Merge> slots_ = std::vector<Merge>(1);
  std::size_t mask_ = 0;
};

}  // namespace dsd
