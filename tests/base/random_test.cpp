// Philox vectors: Random123's known-answer file (kat_vectors), philox4x32 with 10 rounds.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/base/random.h"

using namespace dsd;

TEST_CASE("philox gives the published answers") {
  using Words = std::array<std::uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint32_t ones = 0xffffffff;
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a permutation holds each number once and differs from key to key") {
  const RandomKey key{.seed = 7, .purpose = Purpose::order};
  auto first = permutation(1000, key);
  RandomKey other = key;
  other.step = 1;
  CHECK(first == permutation(1000, key));
  CHECK(first != permutation(1000, other));
  std::ranges::sort(first);
  for (std::int64_t i = 0; i < 1000; ++i) CHECK(first[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("some of many: each at most once, each as often") {
  std::vector<int> seen(20);
  for (std::uint32_t step = 0; step < 3000; ++step) {
    auto some = some_of(20, 5, {.seed = 9, .purpose = Purpose::order, .step = step});
    CHECK(some.size() == 5);
    for (const auto one : some) ++seen.at(static_cast<std::size_t>(one));
    std::ranges::sort(some);
    CHECK(std::ranges::adjacent_find(some) == some.end());
  }
  for (const int count : seen) CHECK(std::abs(count - 750) < 5 * std::sqrt(750 * 0.75));
  auto all = some_of(7, 7, {.seed = 1});
  std::ranges::sort(all);
  CHECK(all == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6});
  CHECK(some_of(7, 0, {.seed = 1}).empty());
}

TEST_CASE("normal numbers have the mean, deviation and tail of a normal distribution") {
  const auto numbers = normal_numbers(100001, 2.0, {.seed = 3, .purpose = Purpose::weights});
  double mean = 0, square = 0, beyond = 0;
  for (const float x : numbers) mean += x, square += double{x} * x, beyond += std::abs(x) > 4.0;
  const auto n = static_cast<double>(numbers.size());
  CHECK(std::abs(mean / n) < 4 * 2.0 / std::sqrt(n));
  CHECK(square / n == doctest::Approx(4.0).epsilon(0.02));
  CHECK(beyond / n == doctest::Approx(0.0455).epsilon(0.06));
}
