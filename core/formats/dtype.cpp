#include "core/formats/dtype.h"

#include <array>
#include <limits>

namespace dsd {
namespace {

struct Row {
  std::string_view name;
  int bits;  // of a block
  int block = 1;
};

constexpr std::array<Row, 45> kRows = {{
    {"BOOL", 8},
    {"F4", 4},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
    {"U8", 8},
    {"I8", 8},
    {"F8_E5M2", 8},
    {"F8_E4M3", 8},
    {"F8_E8M0", 8},
    {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8},
    {"I16", 16},
    {"U16", 16},
    {"F16", 16},
    {"BF16", 16},
    {"I32", 32},
    {"U32", 32},
    {"F32", 32},
    {"C64", 64},
    {"F64", 64},
    {"I64", 64},
    {"U64", 64},
    // GGUF's blocks: bytes * 8, elements
    {"Q4_0", 18 * 8, 32},
    {"Q4_1", 20 * 8, 32},
    {"Q5_0", 22 * 8, 32},
    {"Q5_1", 24 * 8, 32},
    {"Q8_0", 34 * 8, 32},
    {"Q2_K", 84 * 8, 256},
    {"Q3_K", 110 * 8, 256},
    {"Q4_K", 144 * 8, 256},
    {"Q5_K", 176 * 8, 256},
    {"Q6_K", 210 * 8, 256},
    {"IQ2_XXS", 66 * 8, 256},
    {"IQ2_XS", 74 * 8, 256},
    {"IQ3_XXS", 98 * 8, 256},
    {"IQ1_S", 50 * 8, 256},
    {"IQ4_NL", 18 * 8, 32},
    {"IQ3_S", 110 * 8, 256},
    {"IQ2_S", 82 * 8, 256},
    {"IQ4_XS", 136 * 8, 256},
    {"IQ1_M", 56 * 8, 256},
    {"TQ1_0", 54 * 8, 256},
    {"TQ2_0", 66 * 8, 256},
    {"MXFP4", 17 * 8, 32},
    {"NVFP4", 36 * 8, 64},
}};
static_assert(kRows.size() == static_cast<std::size_t>(Dtype::nvfp4) + 1);

constexpr std::size_t kOfSafetensors = static_cast<std::size_t>(Dtype::u64) + 1;

const Row& row(Dtype dtype) { return kRows[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::string_view dtype_name(Dtype dtype) { return row(dtype).name; }

int dtype_block(Dtype dtype) { return row(dtype).block; }

int dtype_block_bits(Dtype dtype) { return row(dtype).bits; }

std::optional<Dtype> dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kOfSafetensors; ++i)
    if (kRows[i].name == name) return static_cast<Dtype>(i);
  return std::nullopt;
}

std::string dtype_names() {
  std::string all;
  for (std::size_t i = 0; i < kOfSafetensors; ++i) {
    if (!all.empty()) all += ", ";
    all += kRows[i].name;
  }
  return all;
}

std::optional<std::uint64_t> dense_bytes(Dtype dtype, std::span<const std::int64_t> shape) {
  const auto block = static_cast<std::uint64_t>(dtype_block(dtype));
  std::uint64_t bits = static_cast<std::uint64_t>(dtype_block_bits(dtype));
  if (shape.empty() && block > 1) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) return std::nullopt;
    auto factor = static_cast<std::uint64_t>(shape[i]);
    if (i + 1 == shape.size()) {
      if (factor % block != 0) return std::nullopt;
      factor /= block;
    }
    if (factor != 0 && bits > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
    bits *= factor;
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

}  // namespace dsd
