#pragma once
// The element types that safetensors knows, with their names in the file and their widths.
// The order is safetensors' own: its writer sorts tensors by it, widest alignment first.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dsd {

enum class Dtype : std::uint8_t {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64,
};

std::string_view dtype_name(Dtype dtype);  // as in a file: "F32"
int dtype_bits(Dtype dtype);
std::optional<Dtype> dtype_from_name(std::string_view name);
std::string dtype_names();  // all of them, for messages

// Bytes of a dense tensor; nothing where the product overflows, a dimension is negative, or the last byte is not full.
std::optional<std::uint64_t> dense_bytes(Dtype dtype, std::span<const std::int64_t> shape);

}  // namespace dsd
