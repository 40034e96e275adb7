#pragma once
// The element types that safetensors and GGUF know, with their names in the files and their widths. Up to u64 the order
// is safetensors' own: its writer sorts tensors by it, widest alignment first. What follows are GGUF's blocks, which
// hold a row's elements with scales of their own.

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
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq2_xxs,
  iq2_xs,
  iq3_xxs,
  iq1_s,
  iq4_nl,
  iq3_s,
  iq2_s,
  iq4_xs,
  iq1_m,
  tq1_0,
  tq2_0,
  mxfp4,
  nvfp4,
};

std::string_view dtype_name(Dtype dtype);  // as in a file: "F32", "Q4_1"

// The elements of a row are stored so many at once, in so many bits; 1 for every type of safetensors.
int dtype_block(Dtype dtype);
int dtype_block_bits(Dtype dtype);
inline bool is_quantised(Dtype dtype) { return dtype_block(dtype) > 1; }

// Of safetensors alone.
std::optional<Dtype> dtype_from_name(std::string_view name);
std::string dtype_names();  // all of them, for messages

// Bytes of a dense tensor; nothing where the product overflows, a dimension is negative, the last byte is not full, or
// rows are no whole number of blocks.
std::optional<std::uint64_t> dense_bytes(Dtype dtype, std::span<const std::int64_t> shape);

}  // namespace dsd
