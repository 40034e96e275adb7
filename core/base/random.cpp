#include "core/base/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <unordered_set>
#include <utility>

namespace dsd {
namespace {

std::uint64_t split_mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::array<std::uint32_t, 4> counter_of(std::uint64_t index) {
  return {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), 0, 0};
}

// One of 0..n-1: 64 random bits scaled; the bias is below 2^-30 for any file that fits a disk.
std::int64_t below(std::int64_t n, std::int64_t index, std::array<std::uint32_t, 2> words) {
  const auto random = philox(counter_of(static_cast<std::uint64_t>(index)), words);
  const auto bits = std::uint64_t{random[0]} << 32 | random[1];
  return static_cast<std::int64_t>((static_cast<unsigned __int128>(bits) * static_cast<std::uint64_t>(n)) >> 64);
}

}  // namespace

std::array<std::uint32_t, 2> philox_key(const RandomKey& key) {
  std::uint64_t mixed = split_mix(key.seed);
  mixed = split_mix(mixed ^ (static_cast<std::uint64_t>(key.purpose) << 32 | key.step));
  mixed = split_mix(mixed ^ (static_cast<std::uint64_t>(key.layer) << 32 | key.pass));
  return {static_cast<std::uint32_t>(mixed), static_cast<std::uint32_t>(mixed >> 32)};
}

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0], b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

std::vector<std::int64_t> permutation(std::int64_t n, const RandomKey& key) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const auto words = philox_key(key);
  for (std::int64_t i = n - 1; i > 0; --i) {
    const std::int64_t j = below(i + 1, i, words);
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(j)]);
  }
  return order;
}

std::vector<std::int64_t> some_of(std::int64_t n, std::int64_t count, const RandomKey& key) {
  std::vector<std::int64_t> chosen;
  std::unordered_set<std::int64_t> taken;
  const auto words = philox_key(key);
  for (std::int64_t last = n - count; last < n; ++last) {
    const std::int64_t drawn = below(last + 1, last, words);
    chosen.push_back(taken.insert(drawn).second ? drawn : last);
    taken.insert(chosen.back());
  }
  return chosen;
}

std::vector<float> normal_numbers(std::int64_t n, double deviation, const RandomKey& key) {
  std::vector<float> numbers(static_cast<std::size_t>(n));
  const auto words = philox_key(key);
  for (std::int64_t i = 0; i < n; i += 2) {
    const auto random = philox(counter_of(static_cast<std::uint64_t>(i / 2)), words);
    const auto unit = [](std::uint32_t high, std::uint32_t low) {  // in (0, 1)
      return (static_cast<double>((std::uint64_t{high} << 32 | low) >> 11) + 0.5) * 0x1p-53;
    };
    const double radius = deviation * std::sqrt(-2.0 * std::log(unit(random[0], random[1])));
    const double angle = 2.0 * std::numbers::pi * unit(random[2], random[3]);
    numbers[static_cast<std::size_t>(i)] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < n) numbers[static_cast<std::size_t>(i + 1)] = static_cast<float>(radius * std::sin(angle));
  }
  return numbers;
}

}  // namespace dsd
