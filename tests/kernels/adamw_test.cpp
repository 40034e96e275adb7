#include "kernels/adamw.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "tests/kernels/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

constexpr double kDecay = 0.01;

AdamStep step_of(int t, double lr) {
  return {static_cast<float>(1 - lr * kDecay), static_cast<float>(lr / (1 - std::pow(0.9, t))),
          static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, t)))};
}

double lr_of(int t) { return 1e-3 * (1 + std::cos(t * 0.006)) / 2; }

struct Moments {
  at::Tensor master, mean, square;

  explicit Moments(const at::Tensor& start)
      : master(start.clone()), mean(at::zeros_like(start)), square(at::zeros_like(start)) {}
};

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

}  // namespace

TEST_CASE("dense AdamW follows the paper's formula in float64, and LibTorch's own") {
  sample::each_isa([](const cpu::Functions& functions) {
    for (const std::int64_t count : {1, 15, 16, 1000, 50001}) {
      const at::Tensor start = sample::numbers({count}, 1);
      Moments ours(start), exact(start.to(at::kDouble)), theirs(start);
      at::Tensor shadow = at::zeros({count}, at::kBFloat16);
      const at::Tensor steps = at::zeros({}, at::kFloat);
      for (int t = 1; t <= 20; ++t) {
        const at::Tensor gradient = sample::numbers({count}, 100 + static_cast<std::uint64_t>(t));
        adamw_dense(ours.master, ours.mean, ours.square, gradient, 0.5f, shadow, {}, step_of(t, lr_of(t)), false,
                    functions);
        const at::Tensor g = gradient.to(at::kDouble) * 0.5;
        exact.master.mul_(1 - lr_of(t) * kDecay);
        exact.mean = 0.9 * exact.mean + 0.1 * g;
        exact.square = 0.999 * exact.square + 0.001 * g * g;
        exact.master -=
            lr_of(t) * exact.mean / (1 - std::pow(0.9, t)) / ((exact.square / (1 - std::pow(0.999, t))).sqrt() + 1e-8);
        steps.add_(1);
        at::_fused_adamw_({theirs.master}, {gradient * 0.5}, {theirs.mean}, {theirs.square}, {}, {steps}, lr_of(t), 0.9,
                          0.999, kDecay, 1e-8, false, false);
      }
      // A master near 4 is rounded three times a step, the decay's own rounding included: 20 * 3 * 4 * 2^-25 at most.
      CHECK((ours.master.to(at::kDouble) - exact.master).abs().max().item<double>() < 7e-6);
      CHECK((ours.master - theirs.master).abs().max().item<double>() < 1e-6);
      CHECK(at::equal(shadow, ours.master.to(at::kBFloat16)));
    }
  });
}

TEST_CASE("500 steps of random touches: rows with replay end in the bits of the dense update") {
  sample::each_isa([](const cpu::Functions& functions) {
    for (const std::int64_t width : {16, 72, 101}) {
      constexpr std::int64_t kRows = 40;
      constexpr int kSteps = 500;
      const at::Tensor start = sample::numbers({kRows, width}, 1);
      Moments dense(start), lazy(start);
      at::Tensor dense_shadow = start.to(at::kBFloat16), lazy_shadow = start.to(at::kBFloat16);
      std::vector<std::int32_t> last(kRows, 0), all(kRows);
      std::iota(all.begin(), all.end(), 0);
      std::vector<AdamStep> table(1);
      for (int t = 1; t <= kSteps; ++t) {
        const auto order =
            permutation(kRows - 5, {.seed = 7, .step = static_cast<std::uint32_t>(t)});  // five rows never
        std::vector<std::int32_t> touched(order.begin(), order.begin() + t % 4);
        const at::Tensor values = sample::numbers({4, width}, 1000 + static_cast<std::uint64_t>(t));
        at::Tensor gradient = at::zeros({kRows, width});
        for (std::size_t i = 0; i < touched.size(); ++i) gradient[touched[i]] = values[static_cast<std::int64_t>(i)];
        table.push_back(step_of(t, lr_of(t)));
        const float clip = 1.0f / static_cast<float>(1 + t % 3);
        adamw_replay(lazy.master, lazy.mean, lazy.square, lazy_shadow, touched, last, t - 1, table, {}, functions);
        adamw_rows(lazy.master, lazy.mean, lazy.square, values, clip, lazy_shadow, touched, {}, table.back(),
                   functions);
        for (const std::int32_t row : touched) last[static_cast<std::size_t>(row)] = t;
        adamw_dense(dense.master, dense.mean, dense.square, gradient, clip, dense_shadow, {}, table.back(), true,
                    functions);
        CHECK(gradient.abs().sum().item<float>() == 0);
        if (t == 250) {  // a flush on the way changes nothing
          adamw_replay(lazy.master, lazy.mean, lazy.square, lazy_shadow, all, last, t, table, {}, functions);
        }
      }
      adamw_replay(lazy.master, lazy.mean, lazy.square, lazy_shadow, all, last, kSteps, table, {}, functions);
      CHECK(same_bits(lazy.master, dense.master));
      CHECK(same_bits(lazy.mean, dense.mean));
      CHECK(same_bits(lazy.square, dense.square));
      CHECK(same_bits(lazy_shadow, dense_shadow));
      CHECK(last == std::vector<std::int32_t>(kRows, kSteps));
    }
  });
}

TEST_CASE("in float64 LibTorch's operations compute the same formula") {
  const at::Tensor start = sample::numbers({300}, 1);
  Moments single(start), twice(start.to(at::kDouble));
  for (int t = 1; t <= 10; ++t) {
    const at::Tensor gradient = sample::numbers({300}, 50 + static_cast<std::uint64_t>(t));
    adamw_dense(single.master, single.mean, single.square, gradient, 0.3f, {}, {}, step_of(t, 1e-3));
    adamw_dense(twice.master, twice.mean, twice.square, gradient.to(at::kDouble), 0.3f, {}, {}, step_of(t, 1e-3));
  }
  CHECK((single.master.to(at::kDouble) - twice.master).abs().max().item<double>() < 3.5e-6);  // as above
}
