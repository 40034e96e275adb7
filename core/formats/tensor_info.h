#pragma once
// A tensor of a file, whatever the file: name, type, shape and a span of the map. Its values as numbers are read row by
// row, on demand: blocks of GGUF are dequantised, and rows that a file keeps in another order are put in ours.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/formats/dtype.h"

namespace dsd {

// Dense, row-major, little-endian. `bytes` may be unaligned for the dtype: copy before use as numbers.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<std::int64_t> shape;  // empty for a single number
  std::span<const std::byte> bytes;

  // llama.cpp rotates neighbours where we rotate the halves of a head, and so interleaves the two halves of each head's
  // rows. The rows of a head where the file does that; 0: `bytes` has the rows in order.
  std::int64_t interleaved_rows = 0;

  std::int64_t rows() const { return shape.empty() ? 1 : shape.front(); }
  std::int64_t elements() const;
};

std::string shape_text(std::span<const std::int64_t> shape);  // "[2, 3]"

// The bytes are the values in order: no dequantisation, no other order of rows.
inline bool is_plain(const TensorInfo& info) { return !is_quantised(info.dtype) && info.interleaved_rows == 0; }

// Values of `count` rows from `first` on, converted to fp32. Read from F32, F64, F16, BF16, Q8_0, Q4_0 and Q4_1;
// another type is an Error that names it with `source` and tensor. `out` holds them exactly.
void read_rows(const TensorInfo& info, std::int64_t first, std::int64_t count, std::span<float> out,
               const std::string& source);

// All of them.
std::vector<float> read_values(const TensorInfo& info, const std::string& source);

}  // namespace dsd
