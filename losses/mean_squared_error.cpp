#include "losses/mean_squared_error.h"

#include "core/base/error.h"
#include "losses/rows.h"

namespace dsd {

double LogitMeanSquaredError::count(const Batch& batch) const { return row_count(batch); }

Tensor LogitMeanSquaredError::sum(const LossInput& input) const {
  return (student_logits(input) - teacher_logits(input)).square().mean(-1).sum();
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
