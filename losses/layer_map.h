#pragma once
// Which layers of student and teacher are compared. Layers are counted from 1, as in the papers; 0 is what enters the
// first. For layer m of the student's M and the teacher's N layers:
//   uniform    mN/M, to the nearest (TinyBERT's g(m) = km)
//   endpoints  1 + (m - 1)(N - 1)/(M - 1), to the nearest: first with first, last with last
//   last       N - M + m          first   m
//   middle     one pair, the student's layer (M + 1)/2 with its uniform partner
//   top        one pair, (M, N)

#include <string_view>
#include <vector>

#include "losses/feature_configs.h"

namespace dsd {

// The pairs of a config, `otherwise` by default, in ascending order of the student's layers. Error(bad_input) naming
// `loss` for a layer that does not exist.
std::vector<LayerPair> layer_pairs(const LayersConfig& config, LayerMap otherwise, std::int64_t student_layers,
                                   std::int64_t teacher_layers, std::string_view loss);

}  // namespace dsd
