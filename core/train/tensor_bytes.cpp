#include "core/train/tensor_bytes.h"

#include <ATen/ATen.h>

#include <cstring>

#include "core/base/error.h"

namespace dsd {
namespace {

Dtype dtype_of(const at::Tensor& tensor, const std::string& name) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return Dtype::f32;
    case at::kDouble:
      return Dtype::f64;
    case at::kBFloat16:
      return Dtype::bf16;
    case at::kInt:
      return Dtype::i32;
    case at::kLong:
      return Dtype::i64;
    default:
      fail("tensor '{}': a checkpoint holds no {}", name, at::toString(tensor.scalar_type()));
  }
}

}  // namespace

TensorToWrite to_write(std::string name, const at::Tensor& tensor) {
  const Dtype dtype = dtype_of(tensor, name);
  return {std::move(name), dtype, tensor.sizes().vec(), [values = tensor.detach()](const Sink& sink) {
            const at::Tensor host = values.to(at::kCPU).contiguous();
            sink({static_cast<const char*>(host.const_data_ptr()), host.nbytes()});
          }};
}

void read_into(const at::Tensor& target, const SafetensorsFile& file, const std::string& name) {
  const at::NoGradGuard no_grad;
  const TensorInfo* info = file.find(name);
  if (info == nullptr) fail("{}: tensor '{}' is missing", file.source(), name);
  const Dtype dtype = dtype_of(target, name);
  if (info->dtype != dtype || at::IntArrayRef(info->shape) != target.sizes())
    fail("{}: tensor '{}' is {} of shape {}, not {} of shape {}", file.source(), name, dtype_name(info->dtype),
         shape_text(info->shape), dtype_name(dtype), shape_text({target.sizes().data(), target.sizes().size()}));
  const at::Tensor host =
      target.is_cpu() && target.is_contiguous() ? target.detach() : at::empty(info->shape, target.scalar_type());
  if (!info->bytes.empty()) std::memcpy(host.mutable_data_ptr(), info->bytes.data(), info->bytes.size());
  if (!host.is_alias_of(target)) target.copy_(host);
}

at::Tensor read_tensor(const SafetensorsFile& file, const TensorInfo& info) {
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16, at::kInt, at::kLong}) {
    const at::Tensor target = at::empty(info.shape, type);
    if (dtype_of(target, info.name) != info.dtype) continue;
    read_into(target, file, info.name);
    return target;
  }
  fail("{}: tensor '{}' is {}, which no checkpoint holds", file.source(), info.name, dtype_name(info.dtype));
}

std::vector<std::int32_t> read_numbers(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo* info = file.find(name);
  if (info == nullptr || info->dtype != Dtype::i32 || info->shape.size() != 1)
    fail("{}: tensor '{}' is missing, or not I32 of one dimension", file.source(), name);
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(info->shape[0]));
  if (!numbers.empty()) std::memcpy(numbers.data(), info->bytes.data(), info->bytes.size());
  return numbers;
}

}  // namespace dsd
