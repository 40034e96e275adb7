#include "losses/dist.h"

#include <ATen/ATen.h>

#include "losses/pools.h"

namespace dsd {
namespace {

// 1 - Pearson along `dim` over what `kept` holds, 0 where that is fewer than two.
Tensor apart(const Tensor& p, const Tensor& q, const Tensor& kept, std::int64_t dim) {
  const Tensor weight = kept.to(p.scalar_type()), count = weight.sum(dim, true);
  const auto centred = [&](const Tensor& side) {
    return (side - (side * weight).sum(dim, true) / count.clamp_min(1)) * weight;
  };
  const Tensor a = centred(p), b = centred(q);
  // The root's slope is infinite at 0, where all are equal.
  const auto norm = [&](const Tensor& side) { return side.square().sum(dim).clamp_min(1e-24).sqrt(); };
  const Tensor pearson = (a * b).sum(dim) / (norm(a) * norm(b) + 1e-8);
  return (1 - pearson).masked_fill(count.squeeze(dim) < 2, 0);
}

}  // namespace

Tensor Dist::sum(const LossInput& input) const {
  const Compared all = softened(input, config_.logits);
  const Tensor kept = all.out.logical_not();
  Tensor sum = apart(all.p, all.q, kept, 1).sum() * config_.inter_weight;
  for (const auto& [begin, end] : pools_of(input.batch)) {
    const auto pool = [&, first = begin, count = end - begin](const Tensor& side) {
      return side.narrow(0, first, count);
    };
    const Tensor present = pool(kept), columns = (present.sum(0) > 1).sum().clamp_min(1);
    const Tensor of_columns = apart(pool(all.p), pool(all.q), present, 0).sum() / columns;
    sum = sum + of_columns * (config_.intra_weight * static_cast<double>(end - begin));
  }
  return sum;
}

}  // namespace dsd
