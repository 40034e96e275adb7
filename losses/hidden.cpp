#include "losses/hidden.h"

#include <ATen/ATen.h>

#include <array>

namespace dsd {
namespace {

constexpr std::array<LayerPair, 1> kEntry{LayerPair{.student = 0, .teacher = 0}};

}  // namespace

Hidden::Hidden(const HiddenConfig& config, const ModelShapes& shapes)
    : StateLoss(matches_of(Site::Kind::hidden,
                           layer_pairs(config, LayerMap::uniform, shapes.student.layers, shapes.teacher.layers,
                                       HiddenConfig::kind),
                           shapes, HiddenConfig::kind),
                config, config.shared_projector, shapes, HiddenConfig::kind),
      name_(HiddenConfig::kind) {}

Hidden::Hidden(const EmbeddingConfig& config, const ModelShapes& shapes)
    : StateLoss(matches_of(Site::Kind::hidden, kEntry, shapes, EmbeddingConfig::kind), config, true, shapes,
                EmbeddingConfig::kind),
      name_(EmbeddingConfig::kind) {}

Tensor Hidden::distance(const Tensor& student, const Tensor& teacher) const {
  return at::mse_loss(student, teacher, at::Reduction::Sum) * (1.0 / static_cast<double>(teacher.size(1)));
}

}  // namespace dsd
