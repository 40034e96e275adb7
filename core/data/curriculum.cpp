#include "core/data/curriculum.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/random.h"

namespace dsd {
namespace {

constexpr std::uint32_t kOfDraws = 2;  // the random stream, beside those of the ordinary order

}  // namespace

std::vector<std::int32_t> easiest_first(std::span<const double> difficulties) {
  std::vector<std::int32_t> order(difficulties.size());
  std::iota(order.begin(), order.end(), 0);
  const auto of = [&](std::int32_t index) { return difficulties[static_cast<std::size_t>(index)]; };
  std::ranges::stable_sort(order, [&](std::int32_t a, std::int32_t b) {
    return of(a) < of(b) || (std::isnan(of(b)) && !std::isnan(of(a)));
  });
  return order;
}

std::int64_t within_competence(const Curriculum& curriculum, std::int64_t batch, std::int64_t step) {
  const auto all = std::ssize(curriculum.easiest_first);
  const double share = value(curriculum.competence, {.step = step, .steps = curriculum.steps});
  const auto easiest = static_cast<std::int64_t>(std::ceil(share * static_cast<double>(all)));
  return std::min<std::int64_t>(all, std::max(batch, easiest));
}

std::vector<std::int64_t> drawn(const Curriculum& curriculum, std::int64_t batch, std::uint64_t seed,
                                std::int64_t step) {
  const std::int64_t easiest = within_competence(curriculum, batch, step);
  const RandomKey key{
      .seed = seed, .purpose = Purpose::order, .step = static_cast<std::uint32_t>(step), .layer = kOfDraws};
  std::vector<std::int64_t> examples = some_of(easiest, std::min(batch, easiest), key);
  for (auto& example : examples) example = curriculum.easiest_first[static_cast<std::size_t>(example)];
  return examples;
}

}  // namespace dsd
