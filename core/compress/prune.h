#pragma once
// A smaller model cut out of a larger one of its family: the most important layers, groups of heads, neurons, channels
// and experts keep their weights, the rest goes (structured pruning: Minitron, Muralidharan et al. 2024,
// arXiv:2407.14679; layers: ShortGPT, Men et al. 2024, arXiv:2403.03853). Parts whose weights are zero go without a
// trace: the gains of norms, and their epsilon, are scaled by what the channels left are of all of them.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/compress/importance.h"
#include "core/model/model.h"

namespace dsd {

// None: as the base has it.
struct PruneSizes {
  std::optional<std::int64_t> layers, hidden, heads, intermediate, experts;
  std::string_view prefix = "";  // of their names in messages: "student.", "--"
};

// The base's sizes with those wanted in place. Heads keep their width and their number for each key; layers of v3 go
// from each of its stages alike. Error (bad_input), naming the size, for one that grows, that the family lacks or
// cannot have, and where nothing shrinks.
FamilyConfig pruned_family(const FamilyConfig& base, const PruneSizes& sizes);

// What stays of a base, all of it ascending. Tensors are int64. Sets are those of core/compress/walk.h.
struct Kept {
  std::vector<std::int64_t> layers;          // for each of the student's layers the base's
  std::vector<Tensor> heads;                 // of each set of attention weights: key groups
  std::vector<std::vector<Tensor>> neurons;  // of each set of MLP weights, of each of the base's experts
  std::vector<Tensor> experts;               // of each set of MLP weights; empty where there are none
  Tensor channels;
};

// The most important parts that the student has room for; `layers`, where it names some, are taken as they are.
Kept choose_parts(const Importance& importance, const FamilyConfig& base, const FamilyConfig& student,
                  std::span<const std::int64_t> layers = {});

// The student of `config`, whose family is one of pruned_family's: its weights are the base's that are kept. A head is
// taken with copy_head; else, and for other labels, it is drawn from `random` and named in `fresh`.
std::unique_ptr<Model> pruned_model(Model& base, ModelConfig config, const Kept& kept, const Importance& importance,
                                    bool copy_head, const ModelOptions& options, const RandomKey& random,
                                    std::vector<std::string>* fresh);

}  // namespace dsd
