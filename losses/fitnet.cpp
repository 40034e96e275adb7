#include "losses/fitnet.h"

#include <ATen/ATen.h>

namespace dsd {

FitNet::FitNet(const FitNetConfig& config, const ModelShapes& shapes)
    : StateLoss(matches_of(Site::Kind::hidden,
                           layer_pairs(config, LayerMap::middle, shapes.student.layers, shapes.teacher.layers,
                                       FitNetConfig::kind),
                           shapes, FitNetConfig::kind),
                config, true, shapes, FitNetConfig::kind) {}

Tensor FitNet::distance(const Tensor& student, const Tensor& teacher) const {
  return at::mse_loss(student, teacher, at::Reduction::Sum) * 0.5;
}

}  // namespace dsd
