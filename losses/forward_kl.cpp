#include "losses/forward_kl.h"

#include "losses/rows.h"

namespace dsd {

double ForwardKl::count(const Batch& batch) const { return row_count(batch); }

Tensor ForwardKl::sum(const LossInput& input) const {
  const Tensor log_p = at::log_softmax(teacher_logits(input) / input.temperature, -1);  // [N, C]
  const Tensor log_q = at::log_softmax(student_logits(input) / input.temperature, -1);
  return sum_rows(divergence(log_p, log_q), input.temperature, config_.t_squared);
}

}  // namespace dsd
