#pragma once
// Dropout by counter-based Philox: what is dropped is a function of the key and of where an element stands, so a mask
// is computed again in backward, never stored, and does not depend on how a batch is cut. A call of Philox serves eight
// elements with 16 random bits each; the elements of one call stand 16 apart (or in eight queries), so that 16 calls
// side by side in a vector fill eight whole vectors.
//
// Element (place, position, column):  counter {place, position, column / 128 * 16 + column % 16, 0}, lane column % 128
// / 16. Probability (place, head, i, j):    counter {place, i / 8, j, head + 1}, lane i % 8.

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "core/base/random.h"

namespace dsd {

struct Dropout {
  std::uint32_t threshold = 0;  // an element whose 16 bits are below it is dropped; 0: dropout is off
  std::array<std::uint32_t, 2> key{};

  bool active() const { return threshold > 0; }
  double scale() const {
    return 65536.0 / (65536.0 - threshold);
  }  // of what is kept: the probability is threshold / 65536
};

Dropout make_dropout(double probability, const RandomKey& key);

// The references: 0 where dropped, scale() where kept.
// [N, width] for rows at places [N] and positions [N] (int32).
at::Tensor dropout_mask(const Dropout& dropout, const at::Tensor& places, const at::Tensor& positions,
                        std::int64_t width, const at::TensorOptions& options);
// [S, heads, I, J]: sequence s stands at places[s]; queries [S, I] are indexes into the sequence, keys are 0 ... J-1
// (int32).
at::Tensor attention_dropout_mask(const Dropout& dropout, const at::Tensor& places, const at::Tensor& queries,
                                  std::int64_t heads, std::int64_t keys, const at::TensorOptions& options);

}  // namespace dsd
