#pragma once
// How much each part of a frozen model gives on real text, from forwards alone. Everything is a root mean square over
// tokens in float64, so that the same text gives the same scores however it is cut into batches (to rounding):
// - a layer: 1 - cosine of its rows before and after, its block influence (ShortGPT, Men et al. 2024,
// arXiv:2403.03853);
// - a group of heads that read the same keys, a neuron, a channel: the norm of its activations (Minitron, Muralidharan
//   et al. 2024, arXiv:2407.14679), of heads and neurons after the product that follows, so that what nobody listens to
//   counts nothing; of a channel behind every norm, added up;
// - an expert: the share of rows that it gets times the mean probability that they give it.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/model/model.h"

namespace dsd {

// All scores are float64 on the host, 0 or more. Sets are those of core/compress/walk.h.
struct Importance {
  std::int64_t tokens = 0;
  std::vector<double> layers;   // of each layer as applied
  std::vector<Tensor> heads;    // of each set of attention weights: [key groups]
  std::vector<Tensor> neurons;  // of each set of MLP weights: [E, F], E = 1 where there are no experts
  std::vector<Tensor> experts;  // of each set of MLP weights: [E]; empty where there are none
  Tensor channels;              // [H]
  // Mean square of what each norm reads (about its mean, where the norm takes that away), by the gain's name: [H].
  std::map<std::string, Tensor> energy;
};

// Reads the batches that `next` gives until it gives none; Error where it gives none at all.
Importance measure_importance(Model& model, const std::function<std::optional<Batch>()>& next);

// Places of the scores, the largest first; of equals the lower first.
std::vector<std::int64_t> order_of(const Tensor& scores);

}  // namespace dsd
