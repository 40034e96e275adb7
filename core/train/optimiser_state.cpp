// How the optimiser's state goes into a checkpoint and comes back.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "core/base/error.h"
#include "core/train/optimiser.h"
#include "core/train/tensor_bytes.h"

namespace dsd {
namespace {

constexpr auto kSteps = "steps";

// Some rows of a table [V, H], handed over one by one.
TensorToWrite rows_to_write(std::string name, const Tensor& table, const Tensor& rows) {
  const auto width = table.size(1);
  return {std::move(name), Dtype::f32, {rows.numel(), width}, [table, rows, width](const Sink& sink) {
            const auto bytes = static_cast<std::size_t>(width) * sizeof(float);
            for (std::int64_t i = 0; i < rows.numel(); ++i)
              sink({reinterpret_cast<const char*>(table.const_data_ptr<float>() +
                                                  rows.const_data_ptr<std::int32_t>()[i] * width),
                    bytes});
          }};
}

void read_table_rows(const Tensor& table, std::span<const std::int32_t> rows, const SafetensorsFile& file,
                     const std::string& name) {
  const std::vector<std::int64_t> shape{static_cast<std::int64_t>(rows.size()), table.size(1)};
  const TensorInfo* info = file.find(name);
  if (info == nullptr || info->dtype != Dtype::f32 || info->shape != shape)
    fail("{}: tensor '{}' is missing, or not F32 of shape {}", file.source(), name, shape_text(shape));
  const auto bytes = static_cast<std::size_t>(table.size(1)) * sizeof(float);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::memcpy(table.mutable_data_ptr<float>() + rows[i] * table.size(1), info->bytes.data() + i * bytes, bytes);
}

}  // namespace

std::vector<TensorToWrite> AdamW::state() {
  flush();
  std::vector<TensorToWrite> tensors;
  tensors.push_back(to_write(kSteps, at::scalar_tensor(steps_, at::kLong)));
  for (const Slot& slot : slots_) {
    const std::string& name = slot.parameter.name;
    if (!slot.by_rows()) {
      tensors.push_back(to_write(name + ".mean", slot.mean));
      tensors.push_back(to_write(name + ".square", slot.square));
      continue;
    }
    const auto count = std::count(slot.touched.begin(), slot.touched.end(), 1);
    const Tensor rows = at::empty({count}, at::kInt);
    auto* next = rows.mutable_data_ptr<std::int32_t>();
    for (std::size_t row = 0; row < slot.touched.size(); ++row)
      if (slot.touched[row]) *next++ = static_cast<std::int32_t>(row);
    tensors.push_back(to_write(name + ".rows", rows));
    tensors.push_back(rows_to_write(name + ".mean", slot.mean, rows));
    tensors.push_back(rows_to_write(name + ".square", slot.square, rows));
  }
  return tensors;
}

void AdamW::restore(const SafetensorsFile& file) {
  const Tensor steps = at::empty({}, at::kLong);
  read_into(steps, file, kSteps);
  for (Slot& slot : slots_) {
    allocate_moments(slot);
    if (slot.by_rows()) {
      restore_rows(slot, file);
      continue;
    }
    read_into(slot.mean, file, slot.parameter.name + ".mean");
    read_into(slot.square, file, slot.parameter.name + ".square");
  }
  steps_ = steps.item<std::int64_t>();
  tables_.fill(std::vector<AdamStep>(1));
  skip();
  refresh_shadows();
}

void AdamW::restore_rows(Slot& slot, const SafetensorsFile& file) {
  const std::string& name = slot.parameter.name;
  const auto rows = read_numbers(file, name + ".rows");
  for (const std::int32_t row : rows) {
    if (static_cast<std::uint32_t>(row) >= slot.touched.size())
      fail("{}: tensor '{}.rows' names row {} of {}", file.source(), name, row, slot.touched.size());
    slot.touched[static_cast<std::size_t>(row)] = 1;
  }
  read_table_rows(slot.mean, rows, file, name + ".mean");
  read_table_rows(slot.square, rows, file, name + ".square");
}

void AdamW::refresh_shadows() {
  const at::NoGradGuard no_grad;
  for (const Slot& slot : slots_)
    if (slot.weight().shadow.defined()) slot.weight().shadow.copy_(slot.weight().master);
}

}  // namespace dsd
