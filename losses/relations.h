#pragma once
// Relations between the tokens of a sequence, in each head: scores left right^T / sqrt(D), D the head's width. They are
// made for one sequence and head after the other, of real tokens only, and never stand in memory together. Two
// comparisons of a student's scores with a teacher's, each summed over rows and averaged over heads:
//   divergence   KL(softmax(teacher) || softmax(student))
//   scores       mean over a row's keys of (student - teacher)^2, before the softmax

#include <ATen/core/Tensor.h>

#include "kernels/relation.h"

namespace dsd {

// A scalar that is differentiable in the student's operands. fp32 on a CPU takes the kernel, all else the reference.
at::Tensor relation_loss(const RelationOperands& student, const RelationOperands& teacher, const at::Tensor& offsets,
                         std::int64_t heads, RelationDistance distance);

namespace plain {
// The same in LibTorch operations, one sequence after the other.
at::Tensor relation_loss(const RelationOperands& student, const RelationOperands& teacher, const at::Tensor& offsets,
                         std::int64_t heads, RelationDistance distance);
}  // namespace plain

}  // namespace dsd
