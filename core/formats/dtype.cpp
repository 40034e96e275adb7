#include "core/formats/dtype.h"

#include <array>
#include <limits>

namespace dsd {
namespace {

struct Row {
  std::string_view name;
  int bits;
};

constexpr std::array<Row, 22> kRows = {{
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
}};
static_assert(kRows.size() == static_cast<std::size_t>(Dtype::u64) + 1);

const Row& row(Dtype dtype) { return kRows[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::string_view dtype_name(Dtype dtype) { return row(dtype).name; }

int dtype_bits(Dtype dtype) { return row(dtype).bits; }

std::optional<Dtype> dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (kRows[i].name == name) return static_cast<Dtype>(i);
  return std::nullopt;
}

std::string dtype_names() {
  std::string all;
  for (const Row& each : kRows) {
    if (!all.empty()) all += ", ";
    all += each.name;
  }
  return all;
}

std::optional<std::uint64_t> dense_bytes(Dtype dtype, std::span<const std::int64_t> shape) {
  std::uint64_t bits = static_cast<std::uint64_t>(dtype_bits(dtype));
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    const auto factor = static_cast<std::uint64_t>(dimension);
    if (factor != 0 && bits > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
    bits *= factor;
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

}  // namespace dsd
