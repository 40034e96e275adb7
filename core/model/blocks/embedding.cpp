// The embedding block over fp32 tables in host memory: look-ups, sum and norm in one pass.
#include <ATen/ATen.h>

#include "core/model/blocks/encoder.h"
#include "core/model/blocks/gradients.h"
#include "core/model/blocks/node.h"
#include "kernels/residual_norm.h"

namespace dsd {
namespace {

class EmbeddingNode : public FusedNode {
 public:
  EmbeddingNode(EmbeddingWeights weights, EmbeddingNorm norm, NormSaved saved)
      : weights_(std::move(weights)), norm_(std::move(norm)), saved_(std::move(saved)) {}

 protected:
  Tensor backward(torch::autograd::variable_list& gradients, bool wants_input) override {
    const Tensor sum =
        embedding_norm_backward(gradients[0].contiguous(), norm_, saved_,
                                {gradient_or_none(weights_.gain), gradient_or_none(weights_.bias), Tensor()});
    if (norm_.ids.defined() && weights_.words.master.requires_grad()) add_row_gradient(weights_.words, norm_.ids, sum);
    if (weights_.positions.master.requires_grad()) add_row_gradient(weights_.positions, norm_.positions, sum);
    if (weights_.segments.master.requires_grad()) add_row_gradient(weights_.segments, norm_.segments, sum);
    return wants_input ? sum : Tensor();
  }
  void release() override {
    norm_ = {};
    saved_ = {};
  }

 private:
  EmbeddingWeights weights_;
  EmbeddingNorm norm_;
  NormSaved saved_;
};

}  // namespace

Tensor embedding_block(const Sequences& text, const PackedRows& rows, const EmbeddingWeights& weights, double epsilon,
                       const BlockDropout& dropout, const Tensor& replaced) {
  const Tensor& words = replaced.defined() ? replaced : weights.words.master;
  if (!words.is_cpu() || words.scalar_type() != at::kFloat) {
    return plain::embedding_block(text, rows, weights, epsilon, dropout, replaced);
  }
  std::vector<const Weight*> all{&weights.positions, &weights.segments, &weights.gain, &weights.bias};
  if (!replaced.defined()) all.push_back(&weights.words);
  const bool saves = needs_backward(replaced, all);
  const at::NoGradGuard no_grad;
  const EmbeddingNorm norm{.words = words.detach().contiguous(),
                           .position_table = weights.positions.master,
                           .segment_table = weights.segments.master,
                           .ids = replaced.defined() ? Tensor() : text.ids,
                           .positions = text.positions,
                           .segments = text.segments,
                           .places = rows.places,
                           .gain = weights.gain.master,
                           .bias = weights.bias.master,
                           .epsilon = epsilon,
                           .dropout = make_dropout(dropout.hidden, dropout.key)};
  NormSaved saved;
  const Tensor out = embedding_norm(norm, saves ? &saved : nullptr);
  if (saves) record(std::make_shared<EmbeddingNode>(weights, norm, std::move(saved)), replaced, all, {out});
  return out;
}

}  // namespace dsd
