#include "losses/mean_squared_error.h"

#include <cmath>

#include "core/base/error.h"

namespace dsd {

Tensor LogitMeanSquaredError::sum(const LossInput& input) const {
  Tensor student = student_logits(input), teacher = teacher_logits(input);
  teacher = teacher * value(config_.teacher_scale, input.progress);
  if (config_.standardise) standardise(student, teacher);
  const Tensor out = (student == -INFINITY).logical_or(teacher == -INFINITY);
  const Tensor difference = student.masked_fill(out, 0) - teacher.masked_fill(out, 0);
  return (difference.square().sum(-1) / out.logical_not().sum(-1).clamp_min(1)).sum();
}

double ValueMeanSquaredError::count(const Batch& batch) const {
  const auto* values = std::get_if<Values>(&batch.labels);
  return values ? values->of.isnan().logical_not().sum().item<double>() : 0.0;
}

Tensor ValueMeanSquaredError::sum(const LossInput& input) const {
  const auto* values = std::get_if<Values>(&input.batch.labels);
  if (!values) fail("mean_squared_error against labels needs a task whose labels are numbers");
  const Tensor logits = student_logits(input);  // [N, 1]
  const Tensor known = values->of.isnan().logical_not();
  const Tensor difference = logits.squeeze(-1) - values->of.to(logits.scalar_type());
  return at::where(known, difference, at::zeros({}, difference.options())).square().sum();
}

}  // namespace dsd
