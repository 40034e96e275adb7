#pragma once
// A micro-batch: packed sequences (nothing is computed for padding), what a head reads of them, and their labels.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <variant>
#include <vector>

#include "core/base/hash.h"

namespace dsd {

using at::Tensor;

// Text sequences laid end to end. T tokens, S sequences. Index tensors are int32.
struct Sequences {
  Tensor ids;        // [T]
  Tensor offsets;    // [S+1], always in host memory
  Tensor positions;  // [T], counted from 0 in each sequence
  Tensor segments;   // [T], 0 or 1
  Tensor spans;      // [T, 2] bytes of the text; undefined unless asked for
  Tensor visible;    // [T] bool: tokens that attention may look at; undefined: all. For decoders

  std::int64_t count() const { return offsets.size(0) - 1; }  // S
  std::int64_t tokens() const { return ids.size(0); }         // T
};

struct Classes {
  Tensor of;  // [N] int32, -1 for none
};
struct Values {
  Tensor of;  // [N] float, NaN for none
};
struct Shares {
  Tensor of;  // [N, C] float, each row sums to 1
};
using Labels = std::variant<std::monostate, Classes, Values, Shares>;

struct Batch {
  std::vector<Sequences> streams;  // usually one; two towers, or a teacher's own tokenisation
  // For each head: the rows of stream 0 that it reads, int32 [N], ascending. Empty: one row of each sequence, the one
  // where a model's head sees the whole text (an encoder's first, a decoder's last).
  std::vector<Tensor> rows;
  Labels labels;
  std::vector<Key128> keys;  // [S]: what determines an example's tensors, for what is remembered
  std::int64_t first = 0;    // place in the optimiser step of the first sequence: sequence s has place first + s
  // [P+1] bounds of the pools of examples that losses compare, among the sequences; empty where none does.
  std::vector<std::int64_t> pools;
  bool transient = false;  // perturbed, mixed or generated: never remembered
  Tensor perturbation;     // [T, H] of a transient batch: what a teacher adds to its own word embeddings; or undefined

  // N: rows that the first head reads.
  std::int64_t head_rows() const { return rows.empty() ? streams.at(0).count() : rows[0].size(0); }
};

}  // namespace dsd
