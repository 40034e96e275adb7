#pragma once
// What hand-written backwards share: a weight's matrix as products read it, and where its gradient is added in place,
// to a buffer that exists already.

#include "core/types/weight.h"

namespace dsd {

// What products read: the bf16 shadow where there is one, else the master.
const Tensor& matrix_of(const Weight& weight);

// weight.master.grad(), allocated as zeros when there is none.
Tensor dense_gradient(const Weight& weight);

// The same, undefined where the weight is frozen.
Tensor gradient_or_none(const Weight& weight);

// The gradient of a product y = x W^T: adds d_y^T x to the weight's, unless it is frozen.
void add_product_gradient(const Weight& weight, const Tensor& d_y, const Tensor& x);

// sums [*, H] += values [N, H] at rows [N] (int32), fp32 in host memory.
void add_rows(const Tensor& sums, const Tensor& rows, const Tensor& values);

// Adds values [N, H] to the rows ids [N] (int32) of a table's gradient: to its RowGradient where set, else the dense
// one.
void add_row_gradient(const Weight& table, const Tensor& ids, const Tensor& values);

}  // namespace dsd
