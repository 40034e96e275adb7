#pragma once
// Numbers of a file as fp32, a run of them at a time, to the bit as GGUF's reference (gguf.quants) gives them.

#include <cstddef>
#include <cstdint>

#include "core/formats/dtype.h"

namespace dsd {

// Reads `count` elements, a whole number of blocks, from `bytes`, which need no alignment.
using Dequantise = void (*)(const std::byte* bytes, std::int64_t count, float* out);

// Null for a type whose values cannot be read.
Dequantise dequantise_of(Dtype dtype);

const char* dequantised_names();  // "F32, F64, ...", for messages

float half_to_float(std::uint16_t half);

}  // namespace dsd
