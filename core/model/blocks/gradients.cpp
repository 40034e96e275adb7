#include "core/model/blocks/gradients.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <vector>

#include "core/base/error.h"
#include "core/types/dense_gradient.h"
#include "kernels/gemm.h"

namespace dsd {
namespace {

// Threads share out columns, so that each sum has one order whatever their number.
void add_rows_at(float* sums, const std::int32_t* rows, std::int64_t count, std::int64_t width, const float* values) {
  at::parallel_for(0, width, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < count; ++i) {
      float* sum = sums + rows[i] * width;
      const float* value = values + i * width;
      for (std::int64_t column = begin; column < end; ++column) sum[column] += value[column];
    }
  });
}

// The slot of each id; rows met for the first time are appended, with zeros as their sum.
std::vector<std::int32_t> slots_of(RowGradient& gradient, const Tensor& ids, std::int64_t table_rows,
                                   std::int64_t width) {
  const auto* id = ids.const_data_ptr<std::int32_t>();
  if (gradient.slot.empty()) gradient.slot.assign(static_cast<std::size_t>(table_rows), -1);
  std::vector<std::int32_t> slots(static_cast<std::size_t>(ids.numel()));
  const auto before = static_cast<std::int64_t>(gradient.rows.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    std::int32_t& slot = gradient.slot[static_cast<std::size_t>(id[i])];
    if (slot < 0) {
      slot = static_cast<std::int32_t>(gradient.rows.size());
      gradient.rows.push_back(id[i]);
    }
    slots[i] = slot;
  }
  const auto now = static_cast<std::int64_t>(gradient.rows.size());
  if (!gradient.values.defined() || gradient.values.size(0) < now) {
    const Tensor larger = at::empty({std::max<std::int64_t>(now + now / 2, 256), width}, at::kFloat);
    if (before > 0) larger.narrow(0, 0, before).copy_(gradient.values.narrow(0, 0, before));
    gradient.values = larger;
  }
  gradient.values.narrow(0, before, now - before).zero_();
  return slots;
}

}  // namespace

const Tensor& matrix_of(const Weight& weight) { return weight.shadow.defined() ? weight.shadow : weight.master; }

Tensor gradient_or_none(const Weight& weight) {
  return weight.master.requires_grad() ? dense_gradient(weight) : Tensor();
}

void add_product_gradient(const Weight& weight, const Tensor& d_y, const Tensor& x) {
  if (weight.master.requires_grad()) gemm(d_y.t(), x, dense_gradient(weight), true);
}

void add_rows(const Tensor& sums, const Tensor& rows, const Tensor& values) {
  add_rows_at(sums.mutable_data_ptr<float>(), rows.const_data_ptr<std::int32_t>(), rows.numel(), sums.size(1),
              values.const_data_ptr<float>());
}

Tensor dense_gradient(const Weight& weight) { return dense_gradient(weight.master); }

void add_row_gradient(const Weight& table, const Tensor& ids, const Tensor& values) {
  const at::NoGradGuard no_grad;
  if (!table.row_gradient) {
    const Tensor gradient = dense_gradient(table);
    const bool plain = !gradient.is_cpu() || gradient.scalar_type() != at::kFloat || ids.scalar_type() != at::kInt;
    if (plain) {
      gradient.index_add_(0, ids, values);
    } else {
      add_rows(gradient, ids.contiguous(), values.contiguous());
    }
    return;
  }
  if (!values.is_cpu() || values.scalar_type() != at::kFloat || ids.scalar_type() != at::kInt) {
    fail("a sparse gradient of a look-up table takes fp32 rows and int32 ids in host memory");
  }
  const auto slots = slots_of(*table.row_gradient, ids.contiguous(), table.master.size(0), table.master.size(1));
  add_rows_at(table.row_gradient->values.mutable_data_ptr<float>(), slots.data(), ids.numel(), table.master.size(1),
              values.contiguous().const_data_ptr<float>());
}

}  // namespace dsd
