#include "losses/forward_kl.h"

#include "losses/rows.h"

namespace dsd {

double ForwardKl::count(const Batch& batch) const { return row_count(batch); }

Tensor ForwardKl::sum(const LossInput& input) const {
  const Tensor log_p = at::log_softmax(teacher_logits(input) / input.temperature, -1);  // [N, C]
  const Tensor log_q = at::log_softmax(student_logits(input) / input.temperature, -1);
  // A class of probability 0 (logit -inf, masked) has log p = log q = -inf: its term is 0, not NaN.
  return (log_p.exp() * (log_p - log_q)).masked_fill(log_p == -INFINITY, 0).sum();
}

}  // namespace dsd
