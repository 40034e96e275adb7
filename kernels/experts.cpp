#include "kernels/experts.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>

namespace dsd {
namespace {

constexpr std::int64_t kGrain = 256;  // rows that are worth a thread

// The K likeliest of E, best first.
void choose(const float* probabilities, std::int64_t experts, std::int64_t chosen, std::int32_t* out) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(experts));
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + chosen, order.end(), [&](std::int32_t a, std::int32_t b) {
    return probabilities[a] > probabilities[b] || (probabilities[a] == probabilities[b] && a < b);
  });
  std::copy_n(order.begin(), chosen, out);
}

}  // namespace

ExpertPlan plan_experts(const at::Tensor& probabilities, std::int64_t chosen) {
  const std::int64_t rows = probabilities.size(0), experts = probabilities.size(1);
  TORCH_CHECK(chosen > 0 && chosen <= experts, "a row takes between one and all of the experts");
  ExpertPlan plan{.chosen = at::empty({rows, chosen}, at::kInt),
                  .rows = at::empty({rows * chosen}, at::kLong),
                  .places = at::empty({rows, chosen}, at::kLong),
                  .bounds = std::vector<std::int64_t>(static_cast<std::size_t>(experts) + 1, 0)};
  const auto* from = probabilities.const_data_ptr<float>();
  auto* best = plan.chosen.mutable_data_ptr<std::int32_t>();
  at::parallel_for(0, rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) choose(from + row * experts, experts, chosen, best + row * chosen);
  });
  for (std::int64_t i = 0; i < rows * chosen; ++i) ++plan.bounds[static_cast<std::size_t>(best[i]) + 1];
  std::partial_sum(plan.bounds.begin(), plan.bounds.end(), plan.bounds.begin());
  std::vector<std::int64_t> next(plan.bounds.begin(), plan.bounds.end() - 1);
  auto* row_at = plan.rows.mutable_data_ptr<std::int64_t>();
  auto* place_of = plan.places.mutable_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < rows * chosen; ++i) {
    place_of[i] = next[static_cast<std::size_t>(best[i])]++;
    row_at[place_of[i]] = i / chosen;
  }
  return plan;
}

at::Tensor expert_weights(const at::Tensor& probabilities, const ExpertPlan& plan) {
  at::Tensor weights = probabilities.gather(1, plan.chosen.to(at::kLong));
  if (weights.size(1) > 1) weights.div_(weights.sum(1, true));
  return weights;
}

at::Tensor expert_weights_backward(const at::Tensor& d_weights, const at::Tensor& weights,
                                   const at::Tensor& probabilities, const ExpertPlan& plan) {
  const at::Tensor chosen = plan.chosen.to(at::kLong);
  at::Tensor d_chosen = d_weights;
  if (weights.size(1) > 1) {
    const at::Tensor mean = (d_weights * weights).sum(1, true);
    d_chosen = (d_weights - mean) / probabilities.gather(1, chosen).sum(1, true);
  }
  return at::zeros_like(probabilities).scatter_(1, chosen, d_chosen);
}

void add_mixed(const at::Tensor& values, const ExpertPlan& plan, const at::Tensor& weights, const at::Tensor& into) {
  const std::int64_t rows = into.size(0), width = into.size(1), chosen = plan.places.size(1);
  const auto* from = values.const_data_ptr<float>();
  const auto* places = plan.places.const_data_ptr<std::int64_t>();
  const float* shares = weights.defined() ? weights.const_data_ptr<float>() : nullptr;
  auto* to = into.mutable_data_ptr<float>();
  at::parallel_for(0, rows, std::max<std::int64_t>(1, 16384 / width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * chosen; i < end * chosen; ++i) {
      float* out = to + i / chosen * width;
      const float* value = from + places[i] * width;
      const float share = shares != nullptr ? shares[i] : 1.0f;
      for (std::int64_t column = 0; column < width; ++column) out[column] += share * value[column];
    }
  });
}

}  // namespace dsd
