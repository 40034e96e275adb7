#pragma once
// Random words as numbers.

#include <cstdint>

namespace dsd {

// In (0, 1), each of the 2^32 words another number.
inline double unit_interval(std::uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }

}  // namespace dsd
