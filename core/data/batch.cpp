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

std::int64_t target_count(std::span<const Example> examples) {
  std::int64_t rows = 0;
  for (const auto& example : examples)
    if (example.first_target > 0) rows += example.targets();
  return rows;
}

Labels next_tokens(std::span<const Example> examples) {
  Classes tokens{at::empty({target_count(examples)}, at::kInt)};
  auto* out = data_of<std::int32_t>(tokens.of);
  for (const auto& example : examples) {
    TORCH_CHECK(example.first_target > 0, "an example of a language model has targets");
    out = std::copy(example.ids.begin() + example.first_target, example.ids.end(), out);
  }
  return tokens;
}

Labels labels_of(std::span<const Example> examples, TaskKind kind) {
  const auto count = static_cast<std::int64_t>(examples.size());
  if (kind == TaskKind::next_token) return next_tokens(examples);
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

Batch make_batch(std::span<const Example> examples) {
  const auto count = static_cast<std::int64_t>(examples.size());
  std::int64_t tokens = 0;
  for (const auto& example : examples) tokens += example.inputs();
  Batch batch;
  Sequences text = empty_sequences(tokens, count);
  const Tensor rows = at::empty({target_count(examples)}, at::kInt);
  auto* ids = data_of<std::int32_t>(text.ids);
  auto* positions = data_of<std::int32_t>(text.positions);
  auto* segments = data_of<std::int32_t>(text.segments);
  auto* offset = data_of<std::int32_t>(text.offsets);
  auto* row = data_of<std::int32_t>(rows);
  std::int32_t at = 0;
  for (const auto& example : examples) {
    const auto length = static_cast<std::int32_t>(example.inputs());
    std::copy_n(example.ids.begin(), length, ids + at);
    for (std::int32_t t = 0; t < length; ++t) {
      positions[at + t] = t;
      segments[at + t] = example.first_target == 0 && t >= example.second_begins ? 1 : 0;
    }
    *offset++ = at;
    for (std::int32_t t = example.first_target - 1; example.first_target > 0 && t < length; ++t) *row++ = at + t;
    batch.keys.push_back(key_of(example));
    at += length;
  }
  *offset = at;
  batch.streams.push_back(std::move(text));
  if (rows.size(0) > 0) batch.rows.push_back(rows);
  return batch;
}

Batch make_batch(const Dataset& data, std::span<const std::int64_t> examples, TaskKind kind, std::int64_t first) {
  std::vector<Example> read_back;
  for (const auto index : examples) read_back.push_back(data.read(index));
  Batch batch = make_batch(read_back);
  batch.labels = labels_of(read_back, kind);
  batch.first = first;
  return batch;
}

}  // namespace dsd
