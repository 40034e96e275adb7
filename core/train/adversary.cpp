#include "core/train/adversary.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/random.h"
#include "core/base/unit_interval.h"

namespace dsd {
namespace {

// What adversaries with a config share: name, target, and numbers that follow a schedule.
template <class Config>
class Configured : public Adversary {
 public:
  explicit Configured(const Config& config) : config_(config) {}
  std::string_view name() const final { return Config::kind; }
  double weight(Progress progress) const final {
    if constexpr (requires { config_.weight; }) return value(config_.weight, progress);
    else return 1;
  }
  AdversaryTarget target() const final {
    if constexpr (requires { config_.target; }) return config_.target;
    else return AdversaryTarget::clean_teacher;
  }

 protected:
  double radius(const Passes& seen) const { return value(config_.radius, seen.progress); }
  // One step of ascent from the perturbation of the pass before, brought back within the radius.
  Tensor climbed(const Passes& seen) const {
    const Tensor step = seen.examples.of_norm(seen.gradient, config_.step_size);
    return seen.examples.within(seen.perturbation + step, radius(seen));
  }
  Tensor random_start(const Passes& seen) const {
    const Tensor r = seen.examples.uniform(seen.embeddings.size(1), config_.start, seen.random);
    return seen.examples.within(r.to(seen.embeddings.options()), radius(seen));
  }
  // The pass over the embeddings as they are, and whether there will be another.
  Draw clean(bool wants_gradient) const {
    return {.perturbation = {}, .share = 1, .wants_gradient = wants_gradient, .counted = true};
  }

  Config config_;
};

class Fgm final : public Configured<FgmConfig> {
 public:
  using Configured::Configured;
  std::optional<Draw> next(const Passes& seen) const override {
    const double w = weight(seen.progress);
    if (seen.count == 0) return clean(w > 0);
    if (seen.count > 1 || w == 0) return std::nullopt;
    return Draw{.perturbation = seen.examples.of_norm(seen.gradient, radius(seen)), .share = w};
  }
};

class Pgd final : public Configured<PgdConfig> {
 public:
  using Configured::Configured;
  std::optional<Draw> next(const Passes& seen) const override {
    const double w = weight(seen.progress);
    if (seen.count == 0) return clean(w > 0);
    if (seen.count > config_.steps || w == 0) return std::nullopt;
    const bool last = seen.count == config_.steps;
    return Draw{.perturbation = climbed(seen), .share = last ? w : 0, .wants_gradient = !last};
  }
};

class FreeLb final : public Configured<FreeLbConfig> {
 public:
  using Configured::Configured;
  std::optional<Draw> next(const Passes& seen) const override {
    if (seen.count == config_.steps) return std::nullopt;
    return Draw{.perturbation = seen.count == 0 ? random_start(seen) : climbed(seen),
                .share = 1 / static_cast<double>(config_.steps),
                .wants_gradient = seen.count + 1 < config_.steps,
                .counted = true};
  }
};

class Smart final : public Configured<SmartConfig> {
 public:
  using Configured::Configured;
  bool holds_first() const override { return true; }
  std::optional<Draw> next(const Passes& seen) const override {
    const double w = weight(seen.progress);
    if (seen.count == 0) return clean(false);
    if (seen.count > config_.steps + 1 || w == 0) return std::nullopt;
    const bool last = seen.count == config_.steps + 1;
    const Tensor r = seen.count == 1 ? seen.examples.normal(seen.embeddings.size(1), config_.deviation, seen.random)
                                           .to(seen.embeddings.options())
                                     : seen.perturbation + seen.examples.of_largest(seen.gradient, config_.step_size);
    return Draw{.perturbation = r.clamp(-radius(seen), radius(seen)),
                .goal = Goal::smoothness,
                .share = last ? w : 0,
                .wants_gradient = !last};
  }
};

class KdMax final : public Configured<KdMaxConfig> {
 public:
  using Configured::Configured;
  std::optional<Draw> next(const Passes& seen) const override {
    const double w = weight(seen.progress);
    if (seen.count == 0) return clean(false);
    if (seen.count > config_.steps + 1 || w == 0) return std::nullopt;
    const bool last = seen.count == config_.steps + 1;
    return Draw{.perturbation = seen.count == 1 ? random_start(seen) : climbed(seen),
                .goal = last ? Goal::objective : Goal::divergence,
                .share = last ? w : 0,
                .wants_gradient = !last};
  }
};

// Gamma(shape, 1) by Marsaglia and Tsang (2000); below 1 by Gamma(shape + 1) U^(1 / shape).
double gamma_number(double shape, const RandomKey& key) {
  const auto words = philox_key(key);
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (std::uint32_t draw = 0;; ++draw) {
    const auto random = philox({draw, 0, 0, 2}, words);
    const auto unit = [&](std::size_t i) { return unit_interval(random[i]); };
    const double x = std::sqrt(-2 * std::log(unit(0))) * std::cos(2 * M_PI * unit(1));
    const double v = std::pow(1 + c * x, 3);
    if (v <= 0 || std::log(unit(2)) >= 0.5 * x * x + d - d * v + d * std::log(v)) continue;
    return shape < 1 ? d * v * std::pow(unit(3), 1 / shape) : d * v;
  }
}

class MixUp final : public Configured<MixUpConfig> {
 public:
  using Configured::Configured;
  std::optional<Draw> next(const Passes& seen) const override {
    const double w = weight(seen.progress);
    if (seen.count == 0) return clean(false);
    if (seen.count > 1 || w == 0) return std::nullopt;
    RandomKey other = seen.random;
    ++other.layer;
    const double a = gamma_number(config_.concentration, seen.random), b = gamma_number(config_.concentration, other);
    const double theirs = a + b > 0 ? std::min(a, b) / (a + b) : 0.5;
    return Draw{.perturbation = seen.examples.to_partner(seen.embeddings, seen.batch) * theirs,
                .share = w,
                .partner_share = theirs};
  }
};

struct Make {
  std::unique_ptr<Adversary> operator()(const FgmConfig& config) const { return std::make_unique<Fgm>(config); }
  std::unique_ptr<Adversary> operator()(const PgdConfig& config) const { return std::make_unique<Pgd>(config); }
  std::unique_ptr<Adversary> operator()(const FreeLbConfig& config) const { return std::make_unique<FreeLb>(config); }
  std::unique_ptr<Adversary> operator()(const SmartConfig& config) const { return std::make_unique<Smart>(config); }
  std::unique_ptr<Adversary> operator()(const KdMaxConfig& config) const { return std::make_unique<KdMax>(config); }
  std::unique_ptr<Adversary> operator()(const MixUpConfig& config) const { return std::make_unique<MixUp>(config); }
};

}  // namespace

std::unique_ptr<Adversary> make_adversary(const AdversaryConfig& config) { return std::visit(Make{}, config); }

}  // namespace dsd
