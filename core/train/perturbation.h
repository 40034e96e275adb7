#pragma once
// The geometry of perturbed embeddings: norms, bounds and random starts of each example by itself, over its own tokens
// (texts are packed, so there is no padding to leave out). T tokens of S examples, H columns.

#include <ATen/core/Tensor.h>

#include "core/base/random.h"
#include "core/types/batch.h"

namespace dsd {

class Examples {
 public:
  // Of the sequences of the first stream; Error where the batch has none.
  explicit Examples(const Batch& batch);

  // [S] float64 of r [T, H]: sqrt(sum r^2), or max |r|.
  Tensor norms(const Tensor& r) const;
  Tensor largest(const Tensor& r) const;

  // g [T, H] brought to the L2 norm `size` (or to max |r| = size) for each example; one whose gradient is 0 or not
  // finite stays 0.
  Tensor of_norm(const Tensor& g, double size) const;
  Tensor of_largest(const Tensor& g, double size) const;

  // r [T, H] where an example's L2 norm is within `radius`, else brought down to it.
  Tensor within(const Tensor& r, double radius) const;

  // [T, H] float64 numbers that depend on the key and on where they stand (the example's place in the step, the token's
  // position, the column), not on how a step is cut: uniform up to size / sqrt(L H) for an example of L tokens
  // (FreeLB), or normal.
  Tensor uniform(std::int64_t width, double size, const RandomKey& key) const;
  Tensor normal(std::int64_t width, double deviation, const RandomKey& key) const;

  // (partner's - own) [T, H] for embeddings of each example's partner: the next one of its pool, the first for the
  // last. Where the partner is shorter, its embedding is 0; what it has beyond is left out.
  Tensor to_partner(const Tensor& embeddings, const Batch& batch) const;
  // [S] for each example its partner.
  static std::vector<std::int64_t> partners(const Batch& batch);

  std::int64_t count() const { return sizes_.numel(); }

 private:
  // g, each example by size / norm [S]; 0 where that norm is 0 or not finite.
  Tensor scaled(const Tensor& g, const Tensor& norms, double size) const;
  Tensor spread(const Tensor& of_examples) const;  // [S] to [T, 1]
  template <class Numbers>
  Tensor drawn(std::int64_t width, const RandomKey& key, Numbers numbers) const;

  Tensor owner_;  // [T] int64: the example of each token
  Tensor sizes_;  // [S] float64: tokens
  std::vector<std::int32_t> offsets_;
  std::int64_t first_;
};

}  // namespace dsd
