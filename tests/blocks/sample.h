#pragma once
// Random weights and packed rows for the blocks' tests, the same numbers in any dtype.

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "core/model/blocks/encoder.h"

namespace dsd::sample {

inline Tensor numbers(std::vector<std::int64_t> shape, double deviation, std::uint64_t seed) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  const auto values = normal_numbers(count, deviation, {.seed = seed, .purpose = Purpose::weights});
  return at::tensor(values, at::kFloat).view(shape);
}

// A leaf; with `shadow`, the master itself is representable in bf16, so that both paths read the same numbers.
inline Weight weight(std::vector<std::int64_t> shape, double deviation, std::uint64_t seed, at::ScalarType type,
                     bool shadow, double shift = 0) {
  Tensor values = numbers(shape, deviation, seed) + shift;
  if (shadow) values = values.to(at::kBFloat16).to(at::kFloat);
  Weight made;
  made.master = values.to(type).requires_grad_();
  if (shadow && type == at::kFloat) made.shadow = values.to(at::kBFloat16);
  return made;
}

struct Shape {
  std::vector<std::int32_t> lengths;
  std::int64_t hidden = 64, heads = 4, inner = 128;
  double hidden_dropout = 0, attention_dropout = 0;
  bool shadow = false;
};

inline PackedRows rows_of(const std::vector<std::int32_t>& lengths, std::int32_t first_place = 0) {
  std::vector<std::int32_t> offsets{0}, places, positions;
  for (std::size_t s = 0; s < lengths.size(); ++s) {
    for (std::int32_t i = 0; i < lengths[s]; ++i) {
      places.push_back(first_place + static_cast<std::int32_t>(s));
      positions.push_back(i);
    }
    offsets.push_back(offsets.back() + lengths[s]);
  }
  return {at::tensor(offsets, at::kInt), at::tensor(places, at::kInt), at::tensor(positions, at::kInt)};
}

inline BlockDropout dropout_of(const Shape& shape) {
  return {
      shape.hidden_dropout, shape.attention_dropout, {.seed = 9, .purpose = Purpose::dropout, .step = 3, .layer = 2}};
}

inline AttentionWeights attention_weights(const Shape& shape, at::ScalarType type) {
  const std::int64_t h = shape.hidden;
  const double deviation = 1.5 / std::sqrt(static_cast<double>(h));
  return {weight({3 * h, h}, deviation, 1, type, shape.shadow),
          weight({3 * h}, 0.3, 2, type, false),
          weight({h, h}, deviation, 3, type, shape.shadow),
          weight({h}, 0.3, 4, type, false),
          weight({h}, 0.2, 5, type, false, 1),
          weight({h}, 0.3, 6, type, false)};
}

inline MlpWeights mlp_weights(const Shape& shape, at::ScalarType type) {
  const std::int64_t h = shape.hidden, f = shape.inner;
  return {weight({f, h}, 1.5 / std::sqrt(static_cast<double>(h)), 11, type, shape.shadow),
          weight({f}, 0.3, 12, type, false),
          weight({h, f}, 1.5 / std::sqrt(static_cast<double>(f)), 13, type, shape.shadow),
          weight({h}, 0.3, 14, type, false),
          weight({h}, 0.2, 15, type, false, 1),
          weight({h}, 0.3, 16, type, false)};
}

inline EmbeddingWeights embedding_weights(const Shape& shape, std::int64_t words, std::int64_t positions,
                                          at::ScalarType type) {
  const std::int64_t h = shape.hidden;
  return {weight({words, h}, 0.5, 21, type, false), weight({positions, h}, 0.5, 22, type, false),
          weight({2, h}, 0.5, 23, type, false), weight({h}, 0.2, 24, type, false, 1),
          weight({h}, 0.3, 25, type, false)};
}

}  // namespace dsd::sample
