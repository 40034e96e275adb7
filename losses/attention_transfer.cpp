#include "losses/attention_transfer.h"

#include <ATen/ATen.h>

namespace dsd {
namespace {

// [T]: each sequence's squares, of norm 1.
Tensor activity(const Tensor& states, const Tensor& sequence, std::int64_t sequences) {
  const Tensor squares = states.square().sum(1);
  const Tensor lengths = at::zeros({sequences}, squares.options().requires_grad(false))
                             .index_add(0, sequence, squares.square())
                             .clamp_min(1e-24)
                             .sqrt();
  return squares / lengths.index_select(0, sequence);
}

}  // namespace

AttentionTransfer::AttentionTransfer(const AttentionTransferConfig& config, const ModelShapes& shapes)
    : FeatureLoss(matches_of(Site::Kind::hidden,
                             layer_pairs(config, LayerMap::uniform, shapes.student.layers, shapes.teacher.layers,
                                         AttentionTransferConfig::kind),
                             shapes, AttentionTransferConfig::kind)) {}

Tensor AttentionTransfer::sum(const LossInput& input) const {
  const std::int64_t sequences = input.batch.streams.at(0).count();
  Tensor total;
  for (const Match& match : matches()) {
    const auto [student, teacher] = states(input, match);
    const Tensor sequence = sequence_of_tokens(input.batch, student.device());
    const Tensor one = (activity(student, sequence, sequences) - activity(teacher, sequence, sequences)).square().sum();
    total = total.defined() ? total + one : one;
  }
  return total;
}

}  // namespace dsd
