#include "losses/pkd.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace dsd {
namespace {

std::vector<LayerPair> patient_pairs(const PatientConfig& config, const ModelShapes& shapes) {
  auto pairs =
      layer_pairs(config, LayerMap::uniform, shapes.student.layers, shapes.teacher.layers, PatientConfig::kind);
  if (!config.last_layer && config.pairs.empty())
    std::erase_if(pairs, [&](const LayerPair& pair) { return pair.student == shapes.student.layers; });
  if (pairs.empty())
    fail_as(ExitCode::bad_input,
            "losses.features: pkd leaves the student's last layer out, and nothing remains; give 'last_layer: true' or "
            "'pairs'");
  return pairs;
}

const ModelShapes& checked(const ModelShapes& shapes) {
  if (shapes.student.causal || shapes.teacher.causal)
    fail_as(ExitCode::bad_input,
            "losses.features: pkd compares first tokens, and a decoder's first token sees nothing else; use hidden or "
            "cosine");
  if (shapes.student.hidden != shapes.teacher.hidden)
    fail_as(ExitCode::bad_input,
            "losses.features: pkd compares states of one width, and the student's are {} wide, the teacher's {}; use "
            "hidden or cosine, which have a projector",
            shapes.student.hidden, shapes.teacher.hidden);
  return shapes;
}

Tensor directions(const Tensor& states, const Tensor& rows) {
  const Tensor picked = states.index_select(0, rows);
  return picked / picked.norm(2, {1}, true).clamp_min(1e-12);
}

}  // namespace

Patient::Patient(const PatientConfig& config, const ModelShapes& shapes)
    : FeatureLoss(matches_of(Site::Kind::hidden, patient_pairs(config, checked(shapes)), shapes, PatientConfig::kind)) {
}

Tensor Patient::sum(const LossInput& input) const {
  Tensor total;
  for (const Match& match : matches()) {
    const auto [student, teacher] = states(input, match);
    const Tensor first = input.batch.streams.at(0).offsets.slice(0, 0, -1).to(student.device());
    const Tensor one = (directions(student, first) - directions(teacher, first)).square().sum();
    total = total.defined() ? total + one : one;
  }
  return total;
}

}  // namespace dsd
