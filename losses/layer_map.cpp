#include "losses/layer_map.h"

#include <algorithm>

#include "core/base/error.h"

namespace dsd {
namespace {

std::int64_t nearest(std::int64_t numerator, std::int64_t denominator) {
  return (2 * numerator + denominator) / (2 * denominator);
}

LayerPair pair_of(LayerMap map, std::int64_t m, std::int64_t student, std::int64_t teacher) {
  switch (map) {
    case LayerMap::endpoints:
      return {m, student == 1 ? teacher : 1 + nearest((m - 1) * (teacher - 1), student - 1)};
    case LayerMap::last:
      return {m, teacher - student + m};
    case LayerMap::first:
      return {m, m};
    case LayerMap::top:
      return {student, teacher};
    default:
      return {m, std::max<std::int64_t>(1, nearest(m * teacher, student))};
  }
}

void check_layer(std::int64_t layer, std::int64_t layers, std::string_view whose, std::string_view loss) {
  if (layer > layers)
    fail_as(ExitCode::bad_input, "losses.features: {} names layer {} of the {}, which has {}", loss, layer, whose,
            layers);
}

}  // namespace

std::vector<LayerPair> layer_pairs(const LayersConfig& config, LayerMap otherwise, std::int64_t student_layers,
                                   std::int64_t teacher_layers, std::string_view loss) {
  std::vector<LayerPair> pairs = config.pairs;
  const LayerMap map = config.layers.value_or(otherwise);
  if (pairs.empty()) {
    const bool shallow = map == LayerMap::last || map == LayerMap::first;
    if (shallow && student_layers > teacher_layers)
      fail_as(ExitCode::bad_input,
              "losses.features: {} matches {} layers of the student with as many of the teacher, which has {}; take "
              "'layers: uniform'",
              loss, student_layers, teacher_layers);
    if (map == LayerMap::top || map == LayerMap::middle)
      return {pair_of(map, (student_layers + 1) / 2, student_layers, teacher_layers)};
    if (config.only) {
      check_layer(*config.only, student_layers, "student", loss);
      return {pair_of(map, *config.only, student_layers, teacher_layers)};
    }
    for (std::int64_t m = 1; m <= student_layers; ++m) pairs.push_back(pair_of(map, m, student_layers, teacher_layers));
  }
  for (const LayerPair& pair : pairs) {
    check_layer(pair.student, student_layers, "student", loss);
    check_layer(pair.teacher, teacher_layers, "teacher", loss);
  }
  std::ranges::stable_sort(pairs, {}, &LayerPair::student);
  return pairs;
}

}  // namespace dsd
