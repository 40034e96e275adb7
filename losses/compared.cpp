#include "losses/compared.h"

#include <ATen/ATen.h>

#include <cmath>

namespace dsd {
namespace {

Tensor log_mixed(const Compared& pair, double share) {
  return at::logaddexp(pair.log_p + std::log(share), pair.log_q + std::log1p(-share));
}

}  // namespace

Compared compared(const Tensor& student, const Tensor& teacher) {
  const Tensor out = (student == -INFINITY).logical_or(teacher == -INFINITY);
  const Tensor empty = out.all(-1, true);  // a softmax over no class at all would be NaN, and so would its gradient
  const auto log_softmax = [&](const Tensor& side) {
    return at::log_softmax(side.masked_fill(out, -INFINITY).masked_fill(empty, 0), -1);
  };
  const Tensor log_p = log_softmax(teacher), log_q = log_softmax(student);
  return {.log_p = log_p.masked_fill(out, 0),
          .log_q = log_q.masked_fill(out, 0),
          .p = log_p.exp().masked_fill(out, 0),
          .q = log_q.exp().masked_fill(out, 0),
          .out = out};
}

Tensor forward_kl(const Compared& pair) { return (pair.p * (pair.log_p - pair.log_q)).sum(-1); }
Tensor reverse_kl(const Compared& pair) { return (pair.q * (pair.log_q - pair.log_p)).sum(-1); }
Tensor soft_cross_entropy(const Compared& pair) { return -(pair.p * pair.log_q).sum(-1); }

Tensor teacher_to_mixed(const Compared& pair, double share) {
  return (pair.p * (pair.log_p - log_mixed(pair, share))).sum(-1);
}

Tensor student_to_mixed(const Compared& pair, double share) {
  return (pair.q * (pair.log_q - log_mixed(pair, share))).sum(-1);
}

Tensor total_variation(const Compared& pair) { return (pair.p - pair.q).abs().sum(-1) / 2; }

}  // namespace dsd
