#include "losses/cosine.h"

#include <ATen/ATen.h>

namespace dsd {

Cosine::Cosine(const CosineConfig& config, const ModelShapes& shapes)
    : StateLoss(matches_of(Site::Kind::hidden,
                           layer_pairs(config, LayerMap::top, shapes.student.layers, shapes.teacher.layers,
                                       CosineConfig::kind),
                           shapes, CosineConfig::kind),
                config, true, shapes, CosineConfig::kind) {}

Tensor Cosine::distance(const Tensor& student, const Tensor& teacher) const {
  return (1 - at::cosine_similarity(student, teacher, 1)).sum();
}

}  // namespace dsd
