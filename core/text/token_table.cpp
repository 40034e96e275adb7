#include "core/text/token_table.h"

#include <bit>
#include <cstring>

#include "core/base/error.h"

namespace dsd {
namespace {

// A table is at most half full, so that only tokens that were made to collide take longer than this.
constexpr std::size_t kMostProbes = 4096;

[[noreturn]] void too_many_collisions() { fail("the vocabulary's tokens collide as no real ones do; it is not read"); }

std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 29;
}

std::uint64_t hash_of(std::string_view token) {
  std::uint64_t hash = 0x2545F4914F6CDD1Du + token.size(), word = 0;
  const char* at = token.data();
  std::size_t left = token.size();
  for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
    std::memcpy(&word, at, sizeof word);
    hash = mixed(hash, word);
  }
  word = 0;
  for (std::size_t i = 0; i < left; ++i) word = word << 8 | static_cast<unsigned char>(at[i]);
  hash = mixed(hash, word) * 0xD6E8FEB86659FD93u;
  return hash ^ hash >> 32;
}

}  // namespace

TokenTable::TokenTable(std::size_t tokens, std::size_t bytes) {
  slots_.resize(std::bit_ceil(2 * tokens + 1));
  bytes_.reserve(bytes);
}

std::size_t TokenTable::slot_of(std::string_view token, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  const auto check = static_cast<std::uint32_t>(hash >> 32);
  std::size_t slot = static_cast<std::size_t>(hash) & mask;
  for (std::size_t probes = 0;; ++probes, slot = (slot + 1) & mask) {
    const Slot& held = slots_[slot];
    if (held.id == kNothing) return slot;
    if (held.check == check && held.size == token.size() &&
        std::memcmp(bytes_.data() + held.begin, token.data(), token.size()) == 0)
      return slot;
    if (probes > kMostProbes) too_many_collisions();
  }
}

bool TokenTable::add(std::string_view token, std::int32_t id) {
  const std::uint64_t hash = hash_of(token);
  Slot& slot = slots_[slot_of(token, hash)];
  const bool is_new = slot.id == kNothing;
  if (is_new) {
    slot = {static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(token.size()), id,
            static_cast<std::uint32_t>(hash >> 32)};
    bytes_ += token;
  }
  slot.id = id;
  return is_new;
}

std::int32_t TokenTable::find(std::string_view token) const {
  return slots_.empty() ? kNothing : slots_[slot_of(token, hash_of(token))].id;
}

PairTable::PairTable(std::size_t pairs) : slots_(std::bit_ceil(2 * pairs + 1)), mask_(slots_.size() - 1) {}

void PairTable::add(std::int32_t left, std::int32_t right, std::uint32_t rank, std::int32_t whole) {
  const std::uint64_t pair = pair_of(left, right);
  std::size_t slot = hash_of(pair) & mask_;
  for (std::size_t probes = 0; slots_[slot].pair != kFree && slots_[slot].pair != pair; slot = (slot + 1) & mask_)
    if (++probes > kMostProbes) too_many_collisions();
  slots_[slot] = {pair, rank, whole};
}

}  // namespace dsd
