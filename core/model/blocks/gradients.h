#pragma once
// Where hand-written backwards put the gradients of weights: they are added in place to a buffer that exists already.

#include "core/types/weight.h"

namespace dsd {

// weight.master.grad(), allocated as zeros when there is none.
Tensor dense_gradient(const Weight& weight);

// Adds values [N, H] to the rows ids [N] (int32) of a table's gradient: to its RowGradient where set, else the dense
// one.
void add_row_gradient(const Weight& table, const Tensor& ids, const Tensor& values);

}  // namespace dsd
