#include "core/eval/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/base/error.h"

namespace dsd {
namespace {

std::int32_t largest(std::span<const float> logits) {
  return static_cast<std::int32_t>(std::ranges::max_element(logits) - logits.begin());
}

// In [0, 1), with 32 bits.
double uniform(std::uint64_t seed, std::uint32_t prompt, std::uint32_t position) {
  const auto key = philox_key({.seed = seed, .purpose = Purpose::sampling});
  return static_cast<double>(philox({prompt, position, 0, 0}, key)[0]) / 4294967296.0;
}

// Tokens by falling logit (equals by rising id), the first `count` of them in order.
std::vector<std::int32_t> leaders(std::span<const float> logits, std::size_t count) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), before);
  order.resize(count);
  return order;
}

}  // namespace

std::int32_t choose_token(std::span<const float> logits, const SamplingSettings& settings, std::uint32_t prompt,
                          std::uint32_t position) {
  for (const float logit : logits)
    if (std::isnan(logit)) fail("a logit is not a number; the model's weights are damaged or training diverged");
  const std::int32_t top = largest(logits);
  if (!std::isfinite(logits[static_cast<std::size_t>(top)])) fail("no token has a finite logit");
  if (settings.temperature == 0) return top;
  const std::size_t most =
      settings.top_k > 0 ? std::min(logits.size(), static_cast<std::size_t>(settings.top_k)) : logits.size();
  const std::vector<std::int32_t> order = leaders(logits, most);
  std::vector<double> mass;
  double total = 0;
  for (const std::int32_t token : order) {
    const double above = static_cast<double>(logits[static_cast<std::size_t>(token)]) -
                         static_cast<double>(logits[static_cast<std::size_t>(top)]);
    total += std::exp(above / settings.temperature);
    mass.push_back(total);
  }
  // The smallest set whose mass reaches top_p; never empty.
  std::size_t kept = mass.size();
  if (settings.top_p < 1)
    kept = static_cast<std::size_t>(std::ranges::lower_bound(mass, settings.top_p * total) - mass.begin()) + 1;
  kept = std::min(kept, mass.size());
  const double point = uniform(settings.seed, prompt, position) * mass[kept - 1];
  const auto chosen = static_cast<std::size_t>(
      std::ranges::upper_bound(mass.begin(), mass.begin() + static_cast<std::ptrdiff_t>(kept), point) - mass.begin());
  return order[std::min(chosen, kept - 1)];
}

}  // namespace dsd
