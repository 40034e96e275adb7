#pragma once
// How a GGUF file scales the rotation of positions, as the `rope_scaling` of config.json.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/formats/gguf.h"
#include "core/formats/json.h"

namespace dsd {

inline constexpr std::string_view kRopeFactors = "rope_freqs.weight";

// Null where nothing is scaled. Llama 3's scaling stands in the file only as the factors that it makes: they are made
// again from its published constants, and must agree. Anything else is an Error that names key or tensor.
Json rope_scaling(const GgufFile& file, const std::string& architecture, double theta, std::int64_t head_width);

}  // namespace dsd
