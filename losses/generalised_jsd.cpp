#include "losses/generalised_jsd.h"

#include "losses/rows.h"

namespace dsd {

double GeneralisedJsd::count(const Batch& batch) const { return row_count(batch); }

Tensor GeneralisedJsd::sum(const LossInput& input) const {
  const double share = config_.teacher_share;
  const Tensor log_p = at::log_softmax(teacher_logits(input) / input.temperature, -1);  // [N, C]
  const Tensor log_q = at::log_softmax(student_logits(input) / input.temperature, -1);
  const Tensor log_m = (log_p.exp() * share + log_q.exp() * (1 - share)).log();
  const Tensor rows = divergence(log_p, log_m) * share + divergence(log_q, log_m) * (1 - share);
  return sum_rows(rows, input.temperature, config_.t_squared) * scale();
}

}  // namespace dsd
