#pragma once
// What the losses on rows of logits share: the dense logits of both sides, in fp32 at least, checked to agree.

#include "losses/loss.h"

namespace dsd {

double row_count(const Batch& batch);  // rows that the first head reads
// Of rows of log-probabilities, KL(a || b) of each row, [N]; a class of probability 0 under a has no part.
Tensor divergence(const Tensor& log_a, const Tensor& log_b);

Tensor student_logits(const LossInput& input);  // [N, C] of the clean pass
Tensor teacher_logits(const LossInput& input);  // [N, C] of the first teacher; Error when the classes differ

}  // namespace dsd
