#include "losses/state_loss.h"

#include <ATen/ATen.h>

namespace dsd {

StateLoss::StateLoss(std::vector<Match> matches, const ProjectorConfig& config, bool shared, const ModelShapes& shapes,
                     std::string_view loss)
    : FeatureLoss(std::move(matches)) {
  const std::size_t count = shared ? 1 : this->matches().size();
  ModelShapes own = shapes;
  for (std::size_t i = 0; i < count; ++i) {
    const Match& match = this->matches()[i];
    own.random.layer = static_cast<std::uint32_t>(i);
    projectors_.emplace_back(config, match.student_width, match.teacher_width, own,
                             count == 1 ? "projector" : fmt::format("projector.{}", i), loss);
  }
  for (const Projector& projector : projectors_)
    parameters_.insert(parameters_.end(), projector.parameters().begin(), projector.parameters().end());
}

Tensor StateLoss::sum(const LossInput& input) const {
  Tensor total;
  for (std::size_t i = 0; i < matches().size(); ++i) {
    const auto [student, teacher] = states(input, matches()[i]);
    const Projector& projector = projector_of(i);
    const Tensor one = distance(projector.of_student(student), projector.of_teacher(teacher));
    total = total.defined() ? total + one : one;
  }
  return total;
}

void StateLoss::start_from(std::span<const Moments> moments) {
  if (projectors_.size() == 1) {
    Moments all;
    for (const Moments& one : moments) all.add(one);
    projectors_[0].start(all);
    return;
  }
  for (std::size_t i = 0; i < projectors_.size(); ++i) projectors_[i].start(moments[i]);
}

}  // namespace dsd
