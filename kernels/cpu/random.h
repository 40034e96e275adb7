#pragma once
// Philox 4x32-10 with one counter in each lane, and the factors of dropout that come from it.

#include "kernels/cpu/functions.h"
#include "kernels/cpu/vector.h"

namespace dsd::cpu {
namespace {

struct PhiloxWords {
  Words word[4];
};

inline void multiply_wide(Words a, std::uint32_t factor, Words& high, Words& low) {
  const Doubles even = multiply_even(a, splat_words(factor));
  const Doubles odd = multiply_even(reinterpret_cast<Words>(reinterpret_cast<Doubles>(a) >> 32), splat_words(factor));
  constexpr std::uint64_t kLowHalf = 0xFFFFFFFFu;
  high = reinterpret_cast<Words>((even >> 32) | (odd & ~kLowHalf));
  low = reinterpret_cast<Words>((even & kLowHalf) | (odd << 32));
}

inline PhiloxWords philox(Words c0, Words c1, Words c2, Words c3, const std::uint32_t* key) {
  std::uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    Words high0, low0, high2, low2;
    multiply_wide(c0, 0xD2511F53u, high0, low0);
    multiply_wide(c2, 0xCD9E8D57u, high2, low2);
    c0 = high2 ^ c1 ^ k0;
    c1 = low2;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// scale where the lane's 16 bits keep the element, else 0.
inline Floats dropout_factor(const PhiloxWords& words, int lane, const DropoutWords& dropout) {
  const Words bits = (words.word[lane / 2] >> (lane % 2 * 16)) & 0xFFFFu;
  return reinterpret_cast<Ints>(bits) >= static_cast<std::int32_t>(dropout.threshold) ? splat(dropout.scale) : Floats{};
}

// Calls visit(column, factor) for each vector of columns of a row; factor is 1 without dropout.
template <class Visit>
inline void visit_columns(std::int64_t width, const DropoutWords& dropout, std::int32_t place, std::int32_t position,
                          Visit visit) {
  if (dropout.threshold == 0) {
    for (std::int64_t column = 0; column < width; column += kLanes) visit(column, splat(1.0f));
    return;
  }
  for (std::int64_t block = 0; block < width; block += 128) {
    for (int part = 0; part < 16; part += kLanes) {
      const Words group = lane_numbers() + static_cast<std::uint32_t>(block / 8 + part);
      const PhiloxWords words = philox(splat_words(static_cast<std::uint32_t>(place)),
                                       splat_words(static_cast<std::uint32_t>(position)), group, Words{}, dropout.key);
#pragma GCC unroll 8
      for (int lane = 0; lane < 8; ++lane) {
        const std::int64_t column = block + lane * 16 + part;
        if (column < width) visit(column, dropout_factor(words, lane, dropout));
      }
    }
  }
}

}  // namespace
}  // namespace dsd::cpu
