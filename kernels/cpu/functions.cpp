#include "kernels/cpu/functions.h"

namespace dsd::cpu {

bool supported(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && supported(Isa::avx2);
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::baseline:
      return true;
  }
  return false;
}

std::int64_t attention_scratch(std::int64_t longest, std::int64_t head_width) {
  const std::int64_t length = (longest + 15) / 16 * 16, width = (head_width + 15) / 16 * 16, block = 64;
  return 5 * length * width + 3 * block * (width + length);
}

const Functions& functions_of(Isa isa) { return isa == Isa::avx512 ? kAvx512 : isa == Isa::avx2 ? kAvx2 : kBaseline; }

const Functions& best_functions() {
  static const Functions& best = functions_of(supported(Isa::avx512) ? Isa::avx512
                                              : supported(Isa::avx2) ? Isa::avx2
                                                                     : Isa::baseline);
  return best;
}

}  // namespace dsd::cpu
