#include "losses/reverse_kl.h"

#include "losses/rows.h"

namespace dsd {

double ReverseKl::count(const Batch& batch) const { return row_count(batch); }

Tensor ReverseKl::sum(const LossInput& input) const {
  const Tensor log_p = at::log_softmax(teacher_logits(input) / input.temperature, -1);  // [N, C]
  const Tensor log_q = at::log_softmax(student_logits(input) / input.temperature, -1);
  return sum_rows(divergence(log_q, log_p), input.temperature, config_.t_squared);
}

}  // namespace dsd
