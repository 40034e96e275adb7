#include "core/teacher/pick.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace dsd {
namespace {

std::span<const std::int32_t> numbers(const Tensor& tensor) {
  return {tensor.const_data_ptr<std::int32_t>(), static_cast<std::size_t>(tensor.numel())};
}

Tensor on_host(const Tensor& tensor) { return tensor.to(at::kCPU, at::kInt).contiguous(); }

Tensor pick(const Tensor& tensor, const Tensor& rows) {
  return tensor.defined() ? tensor.index_select(0, rows.to(tensor.device())) : tensor;
}

Sequences pick_stream(const Sequences& all, std::span<const std::int32_t> picked) {
  const Tensor offsets = on_host(all.offsets);
  const auto begins = numbers(offsets);
  std::vector<std::int32_t> tokens, new_offsets{0};
  for (const std::int32_t s : picked) {
    const auto at = static_cast<std::size_t>(s);
    for (std::int32_t token = begins[at]; token < begins[at + 1]; ++token) tokens.push_back(token);
    new_offsets.push_back(static_cast<std::int32_t>(tokens.size()));
  }
  const Tensor rows = at::tensor(tokens, at::kInt);
  return {.ids = pick(all.ids, rows),
          .offsets = at::tensor(new_offsets, at::kInt),
          .positions = pick(all.positions, rows),
          .segments = pick(all.segments, rows),
          .spans = pick(all.spans, rows),
          .visible = pick(all.visible, rows)};
}

}  // namespace

std::vector<std::int64_t> row_bounds(const Batch& batch) {
  std::vector<std::int64_t> bounds{0};
  if (batch.rows.empty()) {
    while (std::ssize(bounds) <= batch.streams[0].count()) bounds.push_back(std::ssize(bounds));
    return bounds;
  }
  const Tensor offsets = on_host(batch.streams[0].offsets), rows = on_host(batch.rows[0]);
  const auto begins = numbers(offsets), places = numbers(rows);
  std::size_t row = 0;
  for (std::size_t s = 0; s + 1 < begins.size(); ++s) {
    const std::size_t first = row;
    for (; row < places.size() && places[row] < begins[s + 1]; ++row)
      TORCH_CHECK(places[row] >= begins[s] && (row == first || places[row] > places[row - 1]),
                  "rows of a batch ascend");
    bounds.push_back(static_cast<std::int64_t>(row));
  }
  TORCH_CHECK(row == places.size(), "rows of a batch lie inside its sequences");
  return bounds;
}

Batch pick_sequences(const Batch& batch, std::span<const std::int32_t> picked) {
  Batch result;
  for (const Sequences& stream : batch.streams) result.streams.push_back(pick_stream(stream, picked));
  for (const std::int32_t s : picked) result.keys.push_back(batch.keys[static_cast<std::size_t>(s)]);
  if (batch.rows.empty()) return result;
  const Tensor offsets = on_host(batch.streams[0].offsets), rows = on_host(batch.rows[0]);
  const auto bounds = row_bounds(batch);
  std::vector<std::int32_t> new_rows;
  for (std::size_t i = 0; i < picked.size(); ++i) {
    const auto s = static_cast<std::size_t>(picked[i]);
    const std::int32_t moved = numbers(result.streams[0].offsets)[i] - numbers(offsets)[s];
    for (auto row = bounds[s]; row < bounds[s + 1]; ++row)
      new_rows.push_back(numbers(rows)[static_cast<std::size_t>(row)] + moved);
  }
  result.rows.push_back(at::tensor(new_rows, at::kInt).to(batch.rows[0].device()));
  return result;
}

}  // namespace dsd
