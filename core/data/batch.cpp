// make_batch: examples laid end to end.
#include <ATen/ATen.h>

#include <algorithm>

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

Labels labels_of(std::span<const Example> examples, TaskKind kind) {
  const auto count = static_cast<std::int64_t>(examples.size());
  if (kind == TaskKind::classes) {
    Classes classes{at::empty({count}, at::kInt)};
    auto* out = data_of<std::int32_t>(classes.of);
    for (const auto& example : examples) *out++ = example.label;
    return classes;
  }
  Values values{at::empty({count}, at::kFloat)};
  auto* out = data_of<float>(values.of);
  for (const auto& example : examples) *out++ = example.value;
  return values;
}

}  // namespace

Batch make_batch(std::span<const Example> examples, ReadRow read) {
  const auto count = static_cast<std::int64_t>(examples.size());
  std::int64_t tokens = 0;
  for (const auto& example : examples) tokens += std::ssize(example.ids);
  Batch batch;
  Sequences text = empty_sequences(tokens, count);
  const Tensor rows = at::empty({count}, at::kInt);
  auto* ids = data_of<std::int32_t>(text.ids);
  auto* positions = data_of<std::int32_t>(text.positions);
  auto* segments = data_of<std::int32_t>(text.segments);
  auto* offset = data_of<std::int32_t>(text.offsets);
  auto* row = data_of<std::int32_t>(rows);
  std::int32_t at = 0;
  for (const auto& example : examples) {
    const auto length = static_cast<std::int32_t>(example.ids.size());
    std::ranges::copy(example.ids, ids + at);
    for (std::int32_t t = 0; t < length; ++t) {
      positions[at + t] = t;
      segments[at + t] = t >= example.second_begins ? 1 : 0;
    }
    *offset++ = at;
    *row++ = read == ReadRow::first ? at : at + length - 1;
    batch.keys.push_back(key_of(example));
    at += length;
  }
  *offset = at;
  batch.streams.push_back(std::move(text));
  batch.rows.push_back(rows);
  return batch;
}

Batch make_batch(const Dataset& data, std::span<const std::int64_t> examples, TaskKind kind, ReadRow read,
                 std::int64_t first) {
  std::vector<Example> read_back;
  for (const auto index : examples) read_back.push_back(data.read(index));
  Batch batch = make_batch(read_back, read);
  batch.labels = labels_of(read_back, kind);
  batch.first = first;
  return batch;
}

}  // namespace dsd
