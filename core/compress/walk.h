#pragma once
// A forward of a frozen model, layer by layer, that shows what passes between the products inside its blocks: what the
// heads hand on, what the neurons give, what the norms read. It is made again from the states that the model captures
// (hidden states, queries, keys, values), so that the blocks themselves keep nothing for it. On the CPU, in fp32.
// T tokens, H hidden width, F neurons, K experts of a row.

#include <cstdint>
#include <string>

#include "core/model/model.h"

namespace dsd {

// Sets of weights are counted as the model stores them: one for each layer, or stage of layers that share one.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // Layer `index` as applied: its rows before and after, [T, H].
  virtual void layer(std::int64_t index, const Tensor& before, const Tensor& after) = 0;
  // The norm whose gain is the entry `gain` ("layer.0.mlp.norm.weight"): what it reads, [T, H], and what it makes of
  // it.
  virtual void norm(const std::string& gain, const Tensor& read, const Tensor& made) = 0;
  // What all heads hand to the output projection: [T, heads D] and [H, heads D].
  virtual void heads(std::int64_t set, const Tensor& context, const Tensor& out) = 0;
  // What an MLP's (an expert's) neurons hand to the product that follows, times the expert's share of the row: [N, F]
  // and [H, F]. Expert 0 where there are none.
  virtual void neurons(std::int64_t set, std::int64_t expert, const Tensor& inner, const Tensor& down) = 0;
  // Where rows went: probabilities [T, E], chosen [T, K] int64.
  virtual void routing(std::int64_t set, const Tensor& probabilities, const Tensor& chosen) = 0;
};

void walk(Model& model, const Batch& batch, Watcher& watcher);

// How many sets of attention and of MLP weights a family stores, and which of them a layer applies.
struct StoredSets {
  std::int64_t attention = 0, mlp = 0;
};
StoredSets stored_sets(const FamilyConfig& family);
StoredSets sets_of_layer(const FamilyConfig& family, std::int64_t layer);

}  // namespace dsd
