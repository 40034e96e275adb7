#pragma once
// A small model for tests of the optimiser and of checkpoints: a look-up table and a dense weight with made-up
// gradients.

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "core/base/random.h"
#include "core/types/batch.h"
#include "core/types/weight.h"

namespace dsd {

inline Tensor numbers(at::IntArrayRef shape, std::uint32_t which, double deviation = 1) {
  const auto count = c10::multiply_integers(shape);
  const auto values = normal_numbers(count, deviation, {.seed = 7, .purpose = Purpose::weights, .layer = which});
  return at::tensor(values, at::kFloat).view(shape);
}

struct SampleModel {
  static constexpr std::int64_t kRows = 50, kWidth = 19;  // a width that no vector divides

  // With `sparse` the table's gradient is kept by rows.
  explicit SampleModel(bool sparse, bool shadows = true) {
    // As large as weights of real models: fp32 rounds a value of 1 by 6e-8 a step, which 500 steps would make visible.
    table.master = numbers({kRows, kWidth}, 1, 0.05);
    dense.master = numbers({13, 7}, 2, 0.05);
    bias.master = numbers({5}, 3, 0.05);
    if (shadows)
      for (Weight* weight : {&table, &dense}) weight->shadow = weight->master.to(at::kBFloat16);
    if (sparse) table.row_gradient = std::make_shared<RowGradient>();
    parameters = {{"table", &table}, {"dense", &dense}, {"bias", &bias, false}};
  }

  // The gradient of `step`: rows that the step reads, and the dense weights.
  void add_gradients(std::int64_t step, const std::vector<std::int32_t>& rows, double size) {
    const auto which = static_cast<std::uint32_t>(step * 10);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Tensor values = numbers({kWidth}, 100'000 + which * 10 + static_cast<std::uint32_t>(i), size);
      if (!table.row_gradient) {
        table.master.mutable_grad()[rows[i]] += values;
        continue;
      }
      RowGradient& gradient = *table.row_gradient;
      if (!gradient.values.defined()) gradient.values = at::zeros({kRows, kWidth});
      std::int32_t& slot = gradient.slot[static_cast<std::size_t>(rows[i])];
      if (slot < 0) {
        slot = static_cast<std::int32_t>(gradient.rows.size());
        gradient.rows.push_back(rows[i]);
        gradient.values[slot].zero_();
      }
      gradient.values[slot] += values;
    }
    dense.master.mutable_grad() += numbers({13, 7}, 10 + which, size);
    bias.master.mutable_grad() += numbers({5}, 11 + which, size);
  }

  Weight table, dense, bias;
  std::vector<Parameter> parameters;
};

inline Batch batch_of(const std::vector<std::int32_t>& ids) {
  Batch batch;
  batch.streams.push_back({.ids = at::tensor(ids, at::kInt),
                           .offsets = at::tensor(std::vector<std::int32_t>{0, static_cast<std::int32_t>(ids.size())})});
  return batch;
}

// Three or four rows of the first 40, some of them twice; the last ten are never read.
inline std::vector<std::int32_t> rows_of(std::int64_t step) {
  std::vector<std::int32_t> rows;
  const auto key = philox_key({.seed = 3, .purpose = Purpose::sampling, .step = static_cast<std::uint32_t>(step)});
  for (const std::uint32_t word : philox({0, 0, 0, 0}, key)) rows.push_back(static_cast<std::int32_t>(word % 40));
  return rows;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
         std::memcmp(a.contiguous().const_data_ptr(), b.contiguous().const_data_ptr(), a.nbytes()) == 0;
}

}  // namespace dsd
