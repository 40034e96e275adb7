#include "core/formats/tensor_info.h"

#include <fmt/ranges.h>

#include <stdexcept>

#include "core/base/error.h"
#include "core/formats/dequantise.h"

namespace dsd {
namespace {

// Where the file keeps row `row` of a tensor whose heads have `head` interleaved rows.
std::int64_t row_in_file(std::int64_t row, std::int64_t head) {
  if (head == 0) return row;
  const std::int64_t within = row % head, half = head / 2;
  return row - within + within % half * 2 + within / half;
}

const std::byte* address(const TensorInfo& info, std::int64_t element) {
  const std::int64_t blocks = element / dtype_block(info.dtype);
  return info.bytes.data() + blocks * dtype_block_bits(info.dtype) / 8;
}

}  // namespace

std::int64_t TensorInfo::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) count *= dimension;
  return count;
}

std::string shape_text(std::span<const std::int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

void read_rows(const TensorInfo& info, std::int64_t first, std::int64_t count, std::span<float> out,
               const std::string& source) {
  const Dequantise dequantise = dequantise_of(info.dtype);
  if (dequantise == nullptr)
    fail("{}: tensor '{}' is of type {}; values are read from {}", source, info.name, dtype_name(info.dtype),
         dequantised_names());
  if (first < 0 || count < 0 || count > info.rows() - first)
    throw std::logic_error("rows are asked for that the tensor does not have");
  const std::int64_t width = info.rows() == 0 ? 0 : info.elements() / info.rows();
  if (static_cast<std::int64_t>(out.size()) != count * width)
    throw std::logic_error("the room for the values of rows is not their number");
  const std::int64_t head = info.interleaved_rows, block = dtype_block(info.dtype);
  if (out.empty()) return;
  // A vector in blocks is one row of the file, whose elements are rows to us.
  if (first * width % block != 0 || count * width % block != 0 || (head > 0 && width % block != 0))
    fail("{}: tensor '{}' {} of type {} cannot be read row by row", source, info.name, shape_text(info.shape),
         dtype_name(info.dtype));
  if (head == 0) return dequantise(address(info, first * width), count * width, out.data());
  for (std::int64_t row = 0; row < count; ++row)
    dequantise(address(info, row_in_file(first + row, head) * width), width, out.data() + row * width);
}

std::vector<float> read_values(const TensorInfo& info, const std::string& source) {
  std::vector<float> values(static_cast<std::size_t>(info.elements()));
  read_rows(info, 0, info.rows(), values, source);
  return values;
}

}  // namespace dsd
