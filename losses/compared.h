#pragma once
// Rows of classes as two sides see them, and the divergences of a row: the formulas of the losses on dense logits and
// of the reference of the walk over a vocabulary. N rows, C classes.

#include <ATen/core/Tensor.h>

namespace dsd {

using at::Tensor;

// p of the teacher and q of the student, [N, C] each. A class that either side masks with -infinity is out on both: p
// and q are over the classes that are left. There (and in a row with no class left) all four are 0, so that no infinity
// enters a product, forward or backward.
struct Compared {
  Tensor log_p, log_q, p, q;
  Tensor out;  // bool
};

Compared compared(const Tensor& student, const Tensor& teacher);  // logits at temperature T, or logs of probabilities

// Of each row, [N].
Tensor forward_kl(const Compared& pair);          // sum p (log p - log q)
Tensor reverse_kl(const Compared& pair);          // sum q (log q - log p)
Tensor soft_cross_entropy(const Compared& pair);  // -sum p log q
// With m = share p + (1 - share) q: KL(p || m) and KL(q || m).
Tensor teacher_to_mixed(const Compared& pair, double share);
Tensor student_to_mixed(const Compared& pair, double share);
Tensor total_variation(const Compared& pair);  // sum |p - q| / 2

}  // namespace dsd
