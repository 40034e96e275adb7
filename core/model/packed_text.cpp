#include "core/model/packed_text.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/model/blocks/decoder.h"

namespace dsd {
namespace {

constexpr const char* kOtherTokenizer = "was the text made for this model by its own tokenizer?";

// Before ids leave the host, where looking at them costs nothing.
void check_range(const Tensor& index, std::int64_t rows, const char* what, const char* advice) {
  if (index.numel() == 0) return;
  const Tensor on_host = index.cpu().contiguous();
  const auto* values = on_host.const_data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < on_host.numel(); ++i)
    if (values[i] < 0 || values[i] >= rows)
      fail("row {} of a batch has {} {}, but the model's table has {} rows; {}", i, what, values[i], rows, advice);
}

Tensor places_of(const Tensor& offsets, std::int64_t first, std::int64_t tokens) {
  const Tensor places = at::empty({tokens}, at::kInt);
  const auto* begin = offsets.const_data_ptr<std::int32_t>();
  auto* out = places.mutable_data_ptr<std::int32_t>();
  for (std::int64_t s = 0; s + 1 < offsets.size(0); ++s)
    std::fill(out + begin[s], out + begin[s + 1], static_cast<std::int32_t>(first + s));
  return places;
}

}  // namespace

PackedText pack(const Batch& batch, int stream, const TableSizes& sizes, at::Device device) {
  const Sequences& text = batch.streams.at(static_cast<std::size_t>(stream));
  check_range(text.ids, sizes.words, "token id", kOtherTokenizer);
  check_range(text.positions, sizes.positions, "position", "cut the text shorter (data.max_length, --max-length)");
  check_range(text.segments, sizes.segments, "segment", kOtherTokenizer);
  PackedText packed{.text = text, .rows = {}};
  packed.text.ids = text.ids.to(device);
  packed.text.positions = text.positions.to(device);
  packed.text.segments = text.segments.to(device);
  packed.rows = {.offsets = text.offsets,
                 .places = places_of(text.offsets, batch.first, text.tokens()).to(device),
                 .positions = packed.text.positions};
  return packed;
}

Tensor head_rows(const Batch& batch, int stream, TextEnd end, at::Device device) {
  if (stream == 0 && !batch.rows.empty()) return batch.rows[0].to(device);
  const Tensor& offsets = batch.streams.at(static_cast<std::size_t>(stream)).offsets;
  return (end == TextEnd::last ? last_rows_of(offsets) : offsets.narrow(0, 0, offsets.size(0) - 1)).to(device);
}

PackedRows select(const PackedRows& rows, const Tensor& index) {
  return {.offsets = rows.offsets,
          .places = rows.places.index_select(0, index),
          .positions = rows.positions.index_select(0, index)};
}

Tensor positions_after(const KvCache& cache, const PackedRows& rows) {
  const std::int64_t sequences = rows.offsets.size(0) - 1;
  if (static_cast<std::int64_t>(cache.counts.size()) != sequences)
    fail("a cache of {} sequences cannot go on with {}", cache.counts.size(), sequences);
  Tensor positions = rows.positions.clone();
  const auto* offsets = rows.offsets.const_data_ptr<std::int32_t>();
  for (std::int64_t s = 0; s < sequences; ++s)
    positions.narrow(0, offsets[s], offsets[s + 1] - offsets[s]).add_(cache.counts[static_cast<std::size_t>(s)]);
  return positions;
}

}  // namespace dsd
