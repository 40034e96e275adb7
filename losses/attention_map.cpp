#include "losses/attention_map.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "losses/relations.h"

namespace dsd {
namespace {

std::vector<FeatureLoss::Match> attention_matches(const AttentionConfig& config, const ModelShapes& shapes) {
  check_same_heads(shapes, AttentionConfig::kind);
  const auto pairs =
      layer_pairs(config, LayerMap::uniform, shapes.student.layers, shapes.teacher.layers, AttentionConfig::kind);
  auto matches = matches_of(Site::Kind::query, pairs, shapes, AttentionConfig::kind);
  const auto keys = matches_of(Site::Kind::key, pairs, shapes, AttentionConfig::kind);
  matches.insert(matches.end(), keys.begin(), keys.end());
  return matches;
}

}  // namespace

void check_same_heads(const ModelShapes& shapes, std::string_view loss) {
  if (shapes.student.causal || shapes.teacher.causal)
    fail_as(ExitCode::bad_input,
            "losses.features: {} compares attention maps, and a decoder turns queries and keys by position after they "
            "are captured; use minilm_v2, which compares relations of each",
            loss);
  if (shapes.student.heads != shapes.teacher.heads)
    fail_as(ExitCode::bad_input,
            "losses.features: {} compares attention head by head, and the student has {} heads, the teacher {}; use "
            "minilm_v2, whose relation heads are the same on both sides",
            loss, shapes.student.heads, shapes.teacher.heads);
}

AttentionMap::AttentionMap(const AttentionConfig& config, const ModelShapes& shapes)
    : FeatureLoss(attention_matches(config, shapes)), heads_(shapes.student.heads), pairs_(matches().size() / 2) {}

Tensor AttentionMap::sum(const LossInput& input) const {
  Tensor total;
  for (std::size_t i = 0; i < pairs_; ++i) {
    const auto queries = states(input, matches()[i]), keys = states(input, matches()[pairs_ + i]);
    const Tensor one = relation_loss({queries.student, keys.student}, {queries.teacher, keys.teacher},
                                     input.batch.streams.at(0).offsets, heads_, RelationDistance::scores);
    total = total.defined() ? total + one : one;
  }
  return total;
}

}  // namespace dsd
