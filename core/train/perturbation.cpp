#include "core/train/perturbation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/error.h"
#include "core/base/unit_interval.h"

namespace dsd {
Examples::Examples(const Batch& batch) : first_(batch.first) {
  if (batch.streams.empty()) fail("a batch without text has no embeddings to perturb");
  const Tensor offsets = batch.streams[0].offsets.to(at::kInt).contiguous();
  offsets_.assign(offsets.const_data_ptr<std::int32_t>(), offsets.const_data_ptr<std::int32_t>() + offsets.numel());
  const Tensor counts = offsets.diff().to(at::kLong);
  owner_ = at::repeat_interleave(counts);
  sizes_ = counts.to(at::kDouble);
}

Tensor Examples::norms(const Tensor& r) const {
  const Tensor squares = r.detach().to(at::kDouble).square().sum(1).cpu();  // [T]
  return at::zeros({count()}, at::kDouble).index_add_(0, owner_, squares).sqrt_();
}

Tensor Examples::largest(const Tensor& r) const {
  const Tensor rows = r.detach().to(at::kDouble).abs().amax(1).cpu();
  return at::zeros({count()}, at::kDouble).scatter_reduce_(0, owner_, rows, "amax");
}

Tensor Examples::spread(const Tensor& of_examples) const { return of_examples.index_select(0, owner_).unsqueeze(1); }

Tensor Examples::scaled(const Tensor& g, const Tensor& norms, double size) const {
  const Tensor usable = norms.isfinite().logical_and(norms > 0);
  const Tensor factor = spread(at::where(usable, size / norms, at::zeros_like(norms))).to(g.device(), g.scalar_type());
  return at::where(factor == 0, at::zeros_like(g), g * factor);
}

Tensor Examples::of_norm(const Tensor& g, double size) const { return scaled(g, norms(g), size); }
Tensor Examples::of_largest(const Tensor& g, double size) const { return scaled(g, largest(g), size); }

Tensor Examples::within(const Tensor& r, double radius) const {
  const Tensor size = norms(r);
  const Tensor factor = at::where(size > radius, radius / size.clamp_min(1e-300), at::ones_like(size));
  return r * spread(factor).to(r.device(), r.scalar_type());
}

template <class Numbers>
Tensor Examples::drawn(std::int64_t width, const RandomKey& key, Numbers numbers) const {
  Tensor all = at::empty({offsets_.back(), width}, at::kDouble);
  auto* out = all.mutable_data_ptr<double>();
  const auto words = philox_key(key);
  for (std::int64_t s = 0; s < count(); ++s) {
    const auto place = static_cast<std::uint32_t>(first_ + s);
    const auto at = static_cast<std::size_t>(s);
    for (std::uint32_t position = 0; position < static_cast<std::uint32_t>(offsets_[at + 1] - offsets_[at]); ++position)
      for (std::int64_t column = 0; column < width; column += 4) {
        const auto four = numbers(philox({place, position, static_cast<std::uint32_t>(column / 4), 1}, words));
        for (std::int64_t lane = 0; lane < std::min<std::int64_t>(4, width - column); ++lane)
          *out++ = four[static_cast<std::size_t>(lane)];
      }
  }
  return all;
}

Tensor Examples::uniform(std::int64_t width, double size, const RandomKey& key) const {
  const Tensor numbers = drawn(width, key, [](const std::array<std::uint32_t, 4>& words) {
    std::array<double, 4> four;
    std::ranges::transform(words, four.begin(), [](std::uint32_t word) { return 2 * unit_interval(word) - 1; });
    return four;
  });
  return numbers * spread(size / (sizes_ * static_cast<double>(width)).sqrt());
}

Tensor Examples::normal(std::int64_t width, double deviation, const RandomKey& key) const {
  return drawn(width, key, [deviation](const std::array<std::uint32_t, 4>& words) {
    std::array<double, 4> four;
    for (std::size_t pair = 0; pair < 4; pair += 2) {  // Box-Muller
      const double radius = deviation * std::sqrt(-2 * std::log(unit_interval(words[pair])));
      const double angle = 2 * std::numbers::pi * unit_interval(words[pair + 1]);
      four[pair] = radius * std::cos(angle), four[pair + 1] = radius * std::sin(angle);
    }
    return four;
  });
}

std::vector<std::int64_t> Examples::partners(const Batch& batch) {
  std::vector<std::int64_t> partner(static_cast<std::size_t>(batch.streams.at(0).count()));
  if (batch.pools.empty()) fail("examples are mixed within pools, and the batch has none");
  for (std::size_t pool = 0; pool + 1 < batch.pools.size(); ++pool)
    for (std::int64_t s = batch.pools[pool]; s < batch.pools[pool + 1]; ++s)
      partner[static_cast<std::size_t>(s)] = s + 1 < batch.pools[pool + 1] ? s + 1 : batch.pools[pool];
  return partner;
}

Tensor Examples::to_partner(const Tensor& embeddings, const Batch& batch) const {
  const auto partner = partners(batch);
  Tensor apart = -embeddings;
  for (std::size_t s = 0; s < partner.size(); ++s) {
    const auto other = static_cast<std::size_t>(partner[s]);
    const std::int64_t tokens = std::min(offsets_[s + 1] - offsets_[s], offsets_[other + 1] - offsets_[other]);
    apart.narrow(0, offsets_[s], tokens).add_(embeddings.narrow(0, offsets_[other], tokens));
  }
  return apart;
}

}  // namespace dsd
