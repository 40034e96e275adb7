#include "core/teacher/difficulty.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/data/plan.h"
#include "core/teacher/pick.h"
#include "losses/scores.h"

namespace dsd {
namespace {

// [count], float64.
Tensor class_difficulties(const Tensor& logits, const Tensor& labels, TeacherMeasure measure) {
  const Tensor log_p = at::log_softmax(logits.to(at::kDouble), -1);
  const Tensor entropy = -(log_p.exp() * log_p).masked_fill(log_p == -INFINITY, 0).sum(-1);
  if (measure == TeacherMeasure::entropy || !labels.defined()) return entropy;
  const Tensor own = log_p.gather(-1, labels.clamp_min(0).to(at::kLong).unsqueeze(-1)).squeeze(-1);
  return at::where(labels >= 0, -own, entropy);
}

Tensor row_difficulties_of(const Scores& scores, const Batch& batch, TeacherMeasure measure) {
  if (const auto* values = std::get_if<Values>(&batch.labels))
    return (scores.dense.to(at::kDouble).squeeze(-1) - values->of.to(at::kDouble)).square().cpu();
  const auto* classes = std::get_if<Classes>(&batch.labels);
  const std::int64_t rows = row_count(scores);
  const Tensor result = at::empty({rows}, at::kDouble);
  for (std::int64_t begin = 0; begin < rows; begin += kTileRows) {
    const std::int64_t count = std::min(kTileRows, rows - begin);
    const Tensor labels = classes ? classes->of.narrow(0, begin, count) : Tensor();
    result.narrow(0, begin, count).copy_(class_difficulties(tile_logits(scores, begin, count), labels, measure));
  }
  return result;
}

}  // namespace

std::vector<double> teacher_difficulties(Teacher& teacher, const Dataset& data, TaskKind kind, TeacherMeasure measure,
                                         std::int64_t tokens) {
  const at::NoGradGuard no_gradients;
  std::vector<double> difficulties(static_cast<std::size_t>(data.size()));
  const auto order = by_length(data);
  for (const auto piece : micro_batches(data, order, tokens)) {
    const Batch batch = make_batch(data, piece, kind, 0);
    const TeacherOutputs outputs = teacher.outputs(batch, {});
    const auto* scores = outputs.heads.empty() ? nullptr : std::get_if<Scores>(&outputs.heads[0]);
    if (scores == nullptr) fail("a curriculum by the teacher needs its whole scores, not its top-k");
    const Tensor rows = row_difficulties_of(*scores, batch, measure);
    const auto bounds = row_bounds(batch);
    for (std::size_t s = 0; s < piece.size(); ++s) {
      const std::int64_t count = bounds[s + 1] - bounds[s];
      difficulties[static_cast<std::size_t>(piece[s])] =
          count > 0 ? rows.narrow(0, bounds[s], count).mean().item<double>() : NAN;
    }
  }
  return difficulties;
}

}  // namespace dsd
