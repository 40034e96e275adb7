#pragma once
// The relations of losses/relations.h over fp32 rows in host memory: value and gradients in one walk over sequences and
// heads, some rows of a sequence's scores at a time. T tokens; `heads` heads of width D; what a gradient is added to
// has the operand's shape.

#include <ATen/core/Tensor.h>

#include "kernels/cpu/functions.h"

namespace dsd {

enum class RelationDistance { divergence, scores };

struct RelationOperands {
  at::Tensor left;   // [T, heads * D], rows may stand apart
  at::Tensor right;  // likewise; undefined: left itself
};

// The sum over rows, averaged over heads. Gradients with respect to the student's operands are added to `to_left` and
// `to_right` (contiguous; undefined: not wanted), those of both sides to `to_left` where left relates to itself.
double relation(const RelationOperands& student, const RelationOperands& teacher, const at::Tensor& offsets,
                std::int64_t heads, RelationDistance distance, const at::Tensor& to_left, const at::Tensor& to_right,
                const cpu::Functions& functions = cpu::best_functions());

}  // namespace dsd
