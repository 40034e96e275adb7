// The functions for one instruction set; the flags of this source are in kernels/CMakeLists.txt.
#include "kernels/cpu/all.inl"

namespace dsd::cpu {
const Functions kAvx512 = make_functions();
}  // namespace dsd::cpu
