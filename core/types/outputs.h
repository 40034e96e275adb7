#pragma once
// What a model hands out, what losses ask for, and what a teacher gives.

#include <ATen/core/Tensor.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/random.h"
#include "core/types/kv_cache.h"
#include "core/types/weight.h"

namespace dsd {

// Scores of N rows over C classes. The small case is dense. For a vocabulary, `hidden` and `weight` stand in for
// logits = soft_cap(scale * (hidden weight^T + bias)), which nobody materialises.
struct Scores {
  Tensor rows;    // [N] int32: which rows of the batch
  Tensor hidden;  // [N, H], lazy case
  const Weight* weight = nullptr;
  Tensor bias;
  float scale = 1;
  float soft_cap = 0;  // 0: none
  std::int64_t classes = 0;
  Tensor dense;  // [N, C], small case
};

struct TopK {
  Tensor ids, log_p;  // [N, K]
  Tensor log_tail;    // [N]
  double temperature = 1;
};
using Target = std::variant<Scores, TopK>;

// A place inside a model whose tensor a loss may ask for. `layer` counts applications from 0; hidden.0 is the
// embeddings as they enter layer 0 (its own kind `embedding` is the look-up before the norm), hidden.i the output of
// layer i - 1.
struct Site {
  enum class Kind { embedding, hidden, query, key, value, pooled } kind = Kind::hidden;
  int layer = 0;
  int stream = 0;
  auto operator<=>(const Site&) const = default;
};
std::string name_of(const Site& site);  // "hidden.3", "query.0"

struct Wanted {
  bool heads = true;
  std::vector<Site> sites;
  bool routing = false;  // of all rows to experts, in a model that has some
  bool contains(const Site& site) const;
};

// How a layer sent its rows to its experts. T rows, E experts, K chosen for a row.
struct Routing {
  int layer = 0;         // application
  Tensor probabilities;  // [T, E], differentiable
  Tensor chosen;         // [T, K] int32, the likeliest first
};

struct Outputs {
  std::vector<Scores> heads;
  std::vector<std::pair<Site, Tensor>> captured;  // [T, width] each
  std::vector<Routing> routing;                   // of each layer, where it was asked for
  const Tensor& at(const Site& site) const;       // Error when it was not captured
};

struct TeacherOutputs {
  std::vector<Target> heads;
  std::vector<std::pair<Site, Tensor>> captured;
  const Tensor& at(const Site& site) const;
};

// How a forward runs.
struct Pass {
  bool train = false;        // dropout on, gradients wanted
  Tensor embeddings;         // [T, H] in place of the word look-up; undefined: look up
  RandomKey dropout;         // used when train is true
  KvCache* cache = nullptr;  // decoders at inference: keys and values of what came before, taken further
  int stream = 0;
};

}  // namespace dsd
