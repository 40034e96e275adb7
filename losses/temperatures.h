#pragma once
// The temperature of a micro-batch's rows as losses see it: one for all, or each row its own. N rows, C classes.

#include <ATen/core/Tensor.h>

#include "kernels/row_temperature.h"

namespace dsd {

using at::Tensor;

struct Temperatures {
  double all = 1;  // of every row, where `rows` is undefined
  Tensor rows;     // [N], in the logits' dtype; detached, unless the temperature is learned
  Tensor weights;  // [N], what each row's loss is multiplied by besides; undefined: 1

  Temperatures(double one = 1) : all(one) {}
  bool differ() const { return rows.defined(); }

  // Each row of logits [N, C] by its temperature.
  Tensor divide(const Tensor& logits) const;
  friend Tensor operator/(const Tensor& logits, const Temperatures& temperatures) {
    return temperatures.divide(logits);
  }
};

// The sum of rows' losses [N]. Where temperatures differ each row comes with its weight and, with t_squared, its own
// temperature squared; else the objective multiplies the sum (Loss::factor).
Tensor sum_rows(const Tensor& losses, const Temperatures& temperatures, bool t_squared);

// How hard each row is (kernels/row_temperature.h), [N] without a gradient, from logits of both sides and, for a miss,
// labels [N] (-1 none). The plain form of what a walk over a vocabulary measures.
Tensor row_difficulties(const RowTemperature& rule, const Tensor& student, const Tensor& teacher, const Tensor& labels);

// The temperatures that the rule gives rows of these difficulties.
Tensor row_temperatures(const RowTemperature& rule, const Tensor& difficulties);

}  // namespace dsd
