#include "losses/minilm.h"

#include <ATen/ATen.h>

#include <array>

#include "core/base/error.h"
#include "losses/attention_map.h"
#include "losses/relations.h"

namespace dsd {
namespace {

using Kind = Site::Kind;

void append(std::vector<FeatureLoss::Match>& all, Kind kind, std::span<const LayerPair> pairs,
            const ModelShapes& shapes, std::string_view loss) {
  const auto more = matches_of(kind, pairs, shapes, loss);
  all.insert(all.end(), more.begin(), more.end());
}

std::vector<FeatureLoss::Match> minilm_matches(const MiniLmConfig& config, const ModelShapes& shapes) {
  check_same_heads(shapes, MiniLmConfig::kind);
  const auto pairs =
      layer_pairs(config, LayerMap::top, shapes.student.layers, shapes.teacher.layers, MiniLmConfig::kind);
  std::vector<FeatureLoss::Match> all;
  for (const Kind kind : {Kind::query, Kind::key, Kind::value}) append(all, kind, pairs, shapes, MiniLmConfig::kind);
  return all;
}

struct Weighted {
  Kind kind;
  double weight;
};

std::vector<Weighted> wanted_kinds(const MiniLm2Config& config) {
  std::vector<Weighted> kinds;
  for (const Weighted& one : {Weighted{Kind::query, config.query_weight}, Weighted{Kind::key, config.key_weight},
                              Weighted{Kind::value, config.value_weight}})
    if (one.weight > 0) kinds.push_back(one);
  if (kinds.empty())
    fail_as(ExitCode::bad_input, "losses.features: minilm_v2's three weights are 0: there is nothing to compare");
  return kinds;
}

std::vector<LayerPair> minilm2_pairs(const MiniLm2Config& config, const ModelShapes& shapes) {
  return layer_pairs(config, LayerMap::top, shapes.student.layers, shapes.teacher.layers, MiniLm2Config::kind);
}

std::vector<FeatureLoss::Match> minilm2_matches(const MiniLm2Config& config, const ModelShapes& shapes) {
  const auto pairs = minilm2_pairs(config, shapes);
  std::vector<FeatureLoss::Match> all;
  for (const auto& [kind, weight] : wanted_kinds(config)) append(all, kind, pairs, shapes, MiniLm2Config::kind);
  return all;
}

// A width that a number of heads does not divide, or 0.
std::int64_t undivided(std::span<const FeatureLoss::Match> matches, std::int64_t heads) {
  for (const auto& match : matches)
    for (const std::int64_t width : {match.student_width, match.teacher_width})
      if (width % heads != 0) return width;
  return 0;
}

std::int64_t relation_heads(const MiniLm2Config& config, std::span<const FeatureLoss::Match> matches,
                            const ModelShapes& shapes) {
  const auto [fewer, more] = std::minmax(shapes.student.heads, shapes.teacher.heads);
  if (!config.relation_heads)
    for (const std::int64_t heads : {more, fewer})
      if (undivided(matches, heads) == 0) return heads;
  const std::int64_t heads = config.relation_heads.value_or(more);
  if (const std::int64_t width = undivided(matches, heads); width != 0)
    fail_as(ExitCode::bad_input,
            "losses.features: minilm_v2 cannot share a width of {} out to {} relation heads; set 'relation_heads'",
            width, heads);
  return heads;
}

}  // namespace

MiniLm::MiniLm(const MiniLmConfig& config, const ModelShapes& shapes)
    : FeatureLoss(minilm_matches(config, shapes)), heads_(shapes.student.heads), pairs_(matches().size() / 3) {}

Tensor MiniLm::sum(const LossInput& input) const {
  const Tensor& offsets = input.batch.streams.at(0).offsets;
  Tensor total;
  for (std::size_t i = 0; i < pairs_; ++i) {
    const auto queries = states(input, matches()[i]), keys = states(input, matches()[pairs_ + i]),
               values = states(input, matches()[2 * pairs_ + i]);
    const Tensor one =
        relation_loss({queries.student, keys.student}, {queries.teacher, keys.teacher}, offsets, heads_,
                      RelationDistance::divergence) +
        relation_loss({values.student, {}}, {values.teacher, {}}, offsets, heads_, RelationDistance::divergence);
    total = total.defined() ? total + one : one;
  }
  return total;
}

MiniLm2::MiniLm2(const MiniLm2Config& config, const ModelShapes& shapes)
    : FeatureLoss(minilm2_matches(config, shapes)), heads_(relation_heads(config, matches(), shapes)) {
  const auto pairs = minilm2_pairs(config, shapes).size();
  for (const auto& [kind, weight] : wanted_kinds(config)) weights_.insert(weights_.end(), pairs, weight);
}

Tensor MiniLm2::sum(const LossInput& input) const {
  Tensor total;
  for (std::size_t i = 0; i < matches().size(); ++i) {
    const auto [student, teacher] = states(input, matches()[i]);
    const Tensor one = relation_loss({student, {}}, {teacher, {}}, input.batch.streams.at(0).offsets, heads_,
                                     RelationDistance::divergence) *
                       weights_[i];
    total = total.defined() ? total + one : one;
  }
  return total;
}

}  // namespace dsd
