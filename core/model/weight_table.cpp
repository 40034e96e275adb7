#include "core/model/weight_table.h"

#include <ATen/ATen.h>

#include <cstring>

#include "core/base/error.h"
#include "core/model/model.h"

namespace dsd {
namespace {

std::vector<std::int64_t> shape_of(const WeightEntry& entry, const CheckpointTensor& tensor) {
  std::vector<std::int64_t> shape = entry.shape;
  shape[0] = tensor.rows;
  return shape;
}

at::ScalarType scalar_type(const TensorInfo& info, const std::string& source) {
  switch (info.dtype) {
    case Dtype::f32:
      return at::kFloat;
    case Dtype::f64:
      return at::kDouble;
    case Dtype::bf16:
      return at::kBFloat16;
    case Dtype::f16:
      return at::kHalf;
    default:
      fail("{}: tensor '{}' is of dtype {}; weights are read from F32, F64, BF16, F16 and GGUF's blocks", source,
           info.name, dtype_name(info.dtype));
  }
}

// Blocks, and rows in another order than ours.
void convert_values(const TensorInfo& info, Tensor rows, const std::string& source) {
  const bool direct = rows.is_cpu() && rows.scalar_type() == at::kFloat && rows.is_contiguous();
  const Tensor values = direct ? rows : at::empty(info.shape, at::kFloat);
  const auto count = static_cast<std::size_t>(values.numel());
  read_rows(info, 0, info.rows(), {values.mutable_data_ptr<float>(), count}, source);
  if (!direct) rows.copy_(values);
}

// A file may hold numbers at any address, so they are moved as bytes first.
void copy_values(const TensorInfo& info, Tensor rows, const std::string& source) {
  if (!is_plain(info)) return convert_values(info, std::move(rows), source);
  const at::ScalarType type = scalar_type(info, source);
  if (rows.is_cpu() && rows.scalar_type() == type) {
    if (!info.bytes.empty()) std::memcpy(rows.mutable_data_ptr(), info.bytes.data(), info.bytes.size());
    return;
  }
  const Tensor values = at::empty(info.shape, type);
  if (!info.bytes.empty()) std::memcpy(values.mutable_data_ptr(), info.bytes.data(), info.bytes.size());
  rows.copy_(values);
}

bool decays(WeightUse use) { return use != WeightUse::gain && use != WeightUse::bias; }

}  // namespace

std::string WeightEntry::name() const { return layer == kNoLayer ? stem : fmt::format("layer.{}.{}", layer, stem); }

std::vector<Parameter> parameters_of(std::span<const WeightEntry> table) {
  std::vector<Parameter> parameters;
  for (const WeightEntry& entry : table)
    parameters.push_back({.name = entry.name(), .weight = entry.weight, .decays = decays(entry.use)});
  return parameters;
}

void allocate_weights(std::span<const WeightEntry> table, const ModelOptions& options) {
  for (const WeightEntry& entry : table)
    entry.weight->master = at::empty(entry.shape, at::TensorOptions(options.dtype).device(options.device));
}

void finish_weights(std::span<const WeightEntry> table, const ModelOptions& options) {
  const bool rows_alone = options.device.is_cpu() && options.dtype == at::kFloat;
  for (const WeightEntry& entry : table) {
    Weight& weight = *entry.weight;
    if (options.shadow && entry.use == WeightUse::product) weight.shadow = weight.master.to(at::kBFloat16);
    if (!options.trainable) continue;
    weight.master.set_requires_grad(true);
    if (rows_alone && entry.sparse_gradient) {
      weight.row_gradient = std::make_shared<RowGradient>();
      weight.row_gradient->slot.assign(static_cast<std::size_t>(entry.shape[0]), -1);
      weight.row_gradient->values = at::empty({0, entry.shape[1]}, weight.master.options().requires_grad(false));
    } else {
      weight.master.mutable_grad() = at::zeros_like(weight.master);
    }
  }
}

void draw_weight(std::span<const WeightEntry> table, std::size_t index, double deviation, const RandomKey& random) {
  const WeightEntry& entry = table[index];
  Tensor& master = entry.weight->master;
  const at::NoGradGuard no_grad;
  if (entry.use == WeightUse::gain) {
    master.fill_(1);
  } else if (entry.use == WeightUse::bias) {
    master.zero_();
  } else {
    const RandomKey key = random.at_layer(static_cast<std::uint32_t>(index));
    std::vector<float> numbers = normal_numbers(master.numel(), deviation, key);
    master.copy_(at::from_blob(numbers.data(), entry.shape, at::kFloat));
  }
}

bool is_present(const WeightEntry& entry, const FindTensor& find, const std::string& source) {
  const std::string* lacking = nullptr;
  std::size_t found = 0;
  for (const CheckpointTensor& tensor : entry.tensors) {
    const TensorInfo* info = find(tensor.name);
    if (info == nullptr) {
      lacking = &tensor.name;
      continue;
    }
    ++found;
    const auto shape = shape_of(entry, tensor);
    if (info->shape != shape)
      fail("{}: tensor '{}' has shape {}, but config.json asks for {}", source, info->name, shape_text(info->shape),
           shape_text(shape));
  }
  if (lacking == nullptr) return true;
  if (found > 0 || !entry.of_head) fail("{}: tensor '{}' is missing from the weights", source, *lacking);
  return false;
}

void read_weight(const WeightEntry& entry, const FindTensor& find, const std::string& source) {
  const at::NoGradGuard no_grad;
  std::int64_t row = 0;
  for (const CheckpointTensor& tensor : entry.tensors) {
    copy_values(*find(tensor.name), entry.weight->master.narrow(0, row, tensor.rows), source);
    row += tensor.rows;
  }
}

bool map_weight(const WeightEntry& entry, const FindTensor& find, const std::shared_ptr<const void>& owner) {
  if (entry.use != WeightUse::look_up || entry.tensors.size() != 1) return false;
  const TensorInfo& info = *find(entry.tensors[0].name);
  const auto address = reinterpret_cast<std::uintptr_t>(info.bytes.data());
  if (info.dtype != Dtype::f32 || !is_plain(info) || address % alignof(float) != 0 || info.bytes.empty()) return false;
  // LibTorch has no read-only tensors; nothing writes to a frozen weight.
  auto* values = const_cast<std::byte*>(info.bytes.data());
  entry.weight->master = at::from_blob(
      values, entry.shape, [owner](void*) {}, at::kFloat);
  return true;
}

}  // namespace dsd
