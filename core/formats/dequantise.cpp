#include "core/formats/dequantise.h"

#include <bit>
#include <cstring>

namespace dsd {
namespace {

constexpr std::int64_t kBlock = 32;

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

float load_half(const std::byte* at) { return half_to_float(load<std::uint16_t>(at)); }

void from_f32(const std::byte* bytes, std::int64_t count, float* out) {
  std::memcpy(out, bytes, static_cast<std::size_t>(count) * sizeof(float));
}

void from_f64(const std::byte* bytes, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(load<double>(bytes + i * 8));
}

void from_f16(const std::byte* bytes, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = load_half(bytes + i * 2);
}

void from_bf16(const std::byte* bytes, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = std::bit_cast<float>(static_cast<std::uint32_t>(load<std::uint16_t>(bytes + i * 2)) << 16);
}

// Block: scale (half), 32 signed bytes.
void from_q8_0(const std::byte* bytes, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; i += kBlock, bytes += 34) {
    const float scale = load_half(bytes);
    const std::byte* levels = bytes + 2;
    for (std::int64_t j = 0; j < kBlock; ++j)
      out[i + j] = scale * static_cast<float>(static_cast<std::int8_t>(levels[j]));
  }
}

// Block: scale (half), 16 bytes whose low nibbles are the first 16 elements and whose high ones the others.
void from_q4_0(const std::byte* bytes, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; i += kBlock, bytes += 18) {
    const float scale = load_half(bytes);
    const std::byte* pairs = bytes + 2;
    for (std::int64_t j = 0; j < kBlock / 2; ++j) {
      const int pair = static_cast<int>(pairs[j]);
      out[i + j] = scale * static_cast<float>((pair & 15) - 8);
      out[i + j + kBlock / 2] = scale * static_cast<float>((pair >> 4) - 8);
    }
  }
}

// Block: scale and least value (halves), then nibbles as in Q4_0.
void from_q4_1(const std::byte* bytes, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; i += kBlock, bytes += 20) {
    const float scale = load_half(bytes), least = load_half(bytes + 2);
    const std::byte* pairs = bytes + 4;
    for (std::int64_t j = 0; j < kBlock / 2; ++j) {
      const int pair = static_cast<int>(pairs[j]);
      out[i + j] = scale * static_cast<float>(pair & 15) + least;
      out[i + j + kBlock / 2] = scale * static_cast<float>(pair >> 4) + least;
    }
  }
}

}  // namespace

Dequantise dequantise_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return from_f32;
    case Dtype::f64:
      return from_f64;
    case Dtype::f16:
      return from_f16;
    case Dtype::bf16:
      return from_bf16;
    case Dtype::q8_0:
      return from_q8_0;
    case Dtype::q4_0:
      return from_q4_0;
    case Dtype::q4_1:
      return from_q4_1;
    default:
      return nullptr;
  }
}

const char* dequantised_names() { return "F32, F64, F16, BF16, Q8_0, Q4_0 and Q4_1"; }

// In integers but for the last step of a subnormal one: the program runs with denormal fp32 numbers flushed to zero.
float half_to_float(std::uint16_t half) {
  constexpr std::uint32_t kRebias = (127 - 15) << 23;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const std::uint32_t rest = static_cast<std::uint32_t>(half & 0x7fff) << 13;
  const std::uint32_t exponent = rest & 0x0f800000;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(half & 0x7fff) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  if (exponent == 0x0f800000) return std::bit_cast<float>(sign | 0x7f800000 | (rest & 0x007fffff));
  return std::bit_cast<float>(sign | (rest + kRebias));
}

}  // namespace dsd
