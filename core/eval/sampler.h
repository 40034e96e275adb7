#pragma once
// The choice of the next token from a row of logits: greedy, or drawn after temperature, top-k (Fan et al. 2018,
// arXiv:1805.04833) and nucleus (Holtzman et al. 2020, arXiv:1904.09751) filters, in that order, as transformers
// applies them. Draws are counter-based: a function of (seed, prompt, position) alone.

#include <cstdint>
#include <span>

#include "core/base/random.h"

namespace dsd {

struct SamplingSettings {
  double temperature = 0;  // 0: greedy, the first of equals
  std::int64_t top_k = 0;  // 0: all
  double top_p = 1;        // 1: all
  std::uint64_t seed = 0;
};

// Error when a logit is NaN or none is finite.
std::int32_t choose_token(std::span<const float> logits, const SamplingSettings& settings, std::uint32_t prompt,
                          std::uint32_t position);

}  // namespace dsd
