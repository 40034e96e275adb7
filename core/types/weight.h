#pragma once
// A trainable tensor as the kernels and the optimiser see it.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dsd {

using at::Tensor;

// The gradient of a look-up table, kept for the rows that a step has read: row i of `values` belongs to table row
// `rows[i]`; `slot[r]` is i, or -1. Rows stand in the order of their first use.
struct RowGradient {
  std::vector<std::int32_t> rows;
  std::vector<std::int32_t> slot;  // one entry for each row of the table
  Tensor values;                   // [capacity, H] float; the first rows.size() rows count
};

// One parameter set. `master` is fp32 (or float64 in tests) and a leaf of autograd; its gradient lives in
// master.grad(), allocated once, added to in place by hand-written backwards and by autograd alike. `shadow` is the
// bf16 copy that products read when train.dtype is bf16; the optimiser writes it in its own pass.
struct Weight {
  Tensor master;
  Tensor shadow;
  std::shared_ptr<RowGradient> row_gradient;  // set for a look-up table whose gradient stays sparse
};

struct Parameter {
  std::string name;  // ours: "layer.0.attention.qkv.weight"; families map it to checkpoint names
  Weight* weight = nullptr;
  bool decays = true;    // biases and norms do not
  double lr_factor = 1;  // on the learning rate
};

}  // namespace dsd
