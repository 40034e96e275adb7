#pragma once
// Places in text, in bytes: first byte and one past the last.

#include <cstdint>
#include <utility>

namespace dsd {

using ByteSpan = std::pair<std::int32_t, std::int32_t>;

}  // namespace dsd
