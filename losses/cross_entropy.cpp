#include "losses/cross_entropy.h"

#include "core/base/error.h"
#include "losses/rows.h"

namespace dsd {

double CrossEntropy::count(const Batch& batch) const {
  const auto* classes = std::get_if<Classes>(&batch.labels);
  return classes ? (classes->of >= 0).sum().item<double>() : 0.0;
}

Tensor CrossEntropy::sum(const LossInput& input) const {
  const auto* classes = std::get_if<Classes>(&input.batch.labels);
  if (!classes) fail("cross_entropy needs a task whose labels are classes");
  const Tensor log_q = at::log_softmax(student_logits(input), -1);  // [N, C]
  const Tensor known = classes->of >= 0;
  const Tensor index = classes->of.clamp_min(0).to(at::kLong).unsqueeze(-1);
  const double smoothing = config_.label_smoothing;
  Tensor row = -log_q.gather(-1, index).squeeze(-1);
  if (smoothing > 0) row = (1 - smoothing) * row - smoothing * log_q.mean(-1);
  return at::where(known, row, at::zeros({}, row.options())).sum();
}

}  // namespace dsd
