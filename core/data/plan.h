#pragma once
// The order of examples: a pure function of (seed, epoch), so that resume needs no state. The examples of an epoch are
// shuffled and cut into steps; a step's are sorted by length, so that its micro-batches hold sequences of like length.
// Steps themselves are drawn whatever the lengths: texts are packed, so mixed lengths cost nothing, while steps of like
// lengths (windows of steps sorted together) cost CoLA four points. While a curriculum lasts, a step draws from the
// easiest examples instead. Pools, whose examples losses compare with one another, are consecutive examples of a step:
// a function of (seed, epoch) too.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/data/curriculum.h"
#include "core/data/dataset.h"

namespace dsd {

class Plan {
 public:
  // `batch` examples in a step; the last step of an epoch may be smaller. `data` outlives the plan.
  Plan(const Dataset& data, std::int64_t batch, std::uint64_t seed);

  // `curriculum` orders every example of the data.
  void follow(Curriculum curriculum);

  std::int64_t steps_per_epoch() const;
  // The examples of a step, counted from 0 over the whole run, in the order that places are given in.
  std::vector<std::int64_t> step(std::int64_t index);

 private:
  void order_epoch(std::int64_t epoch);

  const Dataset* data_;
  std::int64_t batch_;
  std::uint64_t seed_;
  std::optional<Curriculum> curriculum_;
  std::int64_t epoch_ = -1;
  std::vector<std::int32_t> order_;  // the examples of the epoch at hand, step by step
};

// Cuts a step (or a whole split, for evaluation) into consecutive pieces of at most `tokens` tokens. Pools of `pool`
// consecutive examples (the last may be smaller) stay whole; one longer than `tokens` stands alone.
std::vector<std::span<const std::int64_t>> micro_batches(const Dataset& data, std::span<const std::int64_t> examples,
                                                         std::int64_t tokens, std::int64_t pool = 1);

// Bounds [P+1] of the pools among `examples` of them that begin with a pool.
std::vector<std::int64_t> pool_bounds(std::int64_t examples, std::int64_t pool);

// All examples, longest first: the order of evaluation, so that a batch's memory peaks at once.
std::vector<std::int64_t> by_length(const Dataset& data);

}  // namespace dsd
