// make_batch: examples laid end to end.
#include <ATen/ATen.h>

#include "core/data/dataset.h"

namespace dsd {
namespace {

template <class T>
T* data_of(const Tensor& tensor) {
  return tensor.mutable_data_ptr<T>();
}

Sequences empty_sequences(std::int64_t tokens, std::int64_t count) {
  return {.ids = at::empty({tokens}, at::kInt),
          .offsets = at::empty({count + 1}, at::kInt),
          .positions = at::empty({tokens}, at::kInt),
          .segments = at::empty({tokens}, at::kInt),
          .spans = {}};
}

Labels labels_of(const Dataset& data, std::span<const std::int64_t> examples, TaskKind kind) {
  const auto count = static_cast<std::int64_t>(examples.size());
  if (kind == TaskKind::classes) {
    Classes classes{at::empty({count}, at::kInt)};
    auto* out = data_of<std::int32_t>(classes.of);
    for (const auto index : examples) *out++ = data.label(index);
    return classes;
  }
  Values values{at::empty({count}, at::kFloat)};
  auto* out = data_of<float>(values.of);
  for (const auto index : examples) *out++ = data.value(index);
  return values;
}

}  // namespace

Batch make_batch(const Dataset& data, std::span<const std::int64_t> examples, TaskKind kind, ReadRow read,
                 std::int64_t first) {
  const auto count = static_cast<std::int64_t>(examples.size());
  std::int64_t tokens = 0;
  for (const auto index : examples) tokens += data.length(index);
  Batch batch;
  batch.first = first;
  batch.labels = labels_of(data, examples, kind);
  Sequences text = empty_sequences(tokens, count);
  const Tensor rows = at::empty({count}, at::kInt);
  auto* ids = data_of<std::int32_t>(text.ids);
  auto* positions = data_of<std::int32_t>(text.positions);
  auto* segments = data_of<std::int32_t>(text.segments);
  auto* offsets = data_of<std::int32_t>(text.offsets);
  std::int32_t at = 0;
  for (std::int64_t s = 0; s < count; ++s) {
    const Example example = data.read(examples[static_cast<std::size_t>(s)]);
    const auto length = static_cast<std::int32_t>(example.ids.size());
    offsets[s] = at;
    for (std::int32_t t = 0; t < length; ++t) {
      ids[at + t] = example.ids[static_cast<std::size_t>(t)];
      positions[at + t] = t;
      segments[at + t] = t >= example.second_begins ? 1 : 0;
    }
    data_of<std::int32_t>(rows)[s] = read == ReadRow::first ? at : at + length - 1;
    batch.keys.push_back(key_of(example));
    at += length;
  }
  offsets[count] = at;
  batch.streams.push_back(std::move(text));
  batch.rows.push_back(rows);
  return batch;
}

}  // namespace dsd
