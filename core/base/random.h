#pragma once
// Counter-based random numbers: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
// A number is a function of (seed, purpose, step, place in the step, layer, pass) alone: there is no generator state,
// and nothing depends on how a batch is cut into micro-batches or spread over threads.

#include <array>
#include <cstdint>
#include <vector>

namespace dsd {

enum class Purpose : std::uint32_t { order = 1, dropout = 2, weights = 3, adversary = 4, sampling = 5 };

// What a stream of numbers is for. Two keys that differ in any member give independent streams.
struct RandomKey {
  std::uint64_t seed = 0;
  Purpose purpose = Purpose::order;
  std::uint32_t step = 0;   // optimiser step, or epoch for the order of examples
  std::uint32_t layer = 0;  // site inside a model, or index of a tensor
  std::uint32_t pass = 0;   // second dropout pass, perturbed pass ...

  RandomKey at_layer(std::uint32_t index) const {
    RandomKey key = *this;
    key.layer = index;
    return key;
  }
};

// The two key words of Philox for a RandomKey: its members mixed by SplitMix64.
std::array<std::uint32_t, 2> philox_key(const RandomKey& key);

// Ten rounds of Philox on one counter.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// A random order of 0..n-1 (Fisher-Yates).
std::vector<std::int64_t> permutation(std::int64_t n, const RandomKey& key);

// `count` of 0..n-1, each at most once and each set of them as likely (Floyd 1987, "A sample of brilliance"); count <=
// n.
std::vector<std::int64_t> some_of(std::int64_t n, std::int64_t count, const RandomKey& key);

// n normal numbers of mean 0 and the given deviation (Box-Muller in double, rounded to float).
std::vector<float> normal_numbers(std::int64_t n, double deviation, const RandomKey& key);

}  // namespace dsd
