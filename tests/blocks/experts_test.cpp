// The fused mixture of experts in fp32 against the plain composition in float64, and its routing by hand.
#include "core/model/blocks/experts.h"

#include <ATen/ATen.h>

#include "kernels/experts.h"
#include "tests/blocks/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

struct Case {
  std::int64_t rows = 37, hidden = 24, inner = 20, experts = 8, chosen = 2;
  bool shadow = false;
  double routing = 1;  // deviation of the router's logits
};

double relative(const Tensor& got, const Tensor& expected) {
  const double scale = std::max(expected.abs().max().item<double>(), 1e-3);
  return (got.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>() / scale;
}

ExpertWeights weights_of(const Case& c, at::ScalarType type) {
  const double deviation = 1.5 / std::sqrt(static_cast<double>(c.hidden));
  return {.gain = sample::weight({c.hidden}, 0.2, 1, type, false, 1),
          .router = sample::weight({c.experts, c.hidden}, c.routing * deviation, 2, type, false),
          .gate_up = sample::weight({c.experts * 2 * c.inner, c.hidden}, deviation, 3, type, c.shadow),
          .down = sample::weight({c.experts * c.hidden, c.inner}, deviation, 4, type, c.shadow)};
}

// A function of both outputs, so that both gradients flow.
Tensor scalar_of(const ExpertsOutput& out) {
  const auto weighted = [](const Tensor& t, std::uint64_t seed) {
    return (t * sample::numbers({t.size(0), t.size(1)}, 1, seed).to(t.scalar_type())).sum();
  };
  return weighted(out.hidden, 5) + weighted(out.probabilities, 6);
}

void check(const Case& c, double bound = 2e-5) {
  const ExpertWeights weights = weights_of(c, at::kFloat), reference = weights_of(c, at::kDouble);
  const ExpertShape shape{c.experts, c.chosen, 1e-5};
  const Tensor x = sample::numbers({c.rows, c.hidden}, 1, 77).requires_grad_();
  const Tensor y = sample::numbers({c.rows, c.hidden}, 1, 77).to(at::kDouble).requires_grad_();
  const ExpertsOutput fused = experts_block(x, weights, shape), plain = plain::experts_block(y, reference, shape);
  CHECK(fused.chosen.equal(plain.chosen));
  CHECK(relative(fused.hidden, plain.hidden) < bound);
  CHECK(relative(fused.probabilities, plain.probabilities) < bound);
  scalar_of(fused).backward();
  scalar_of(plain).backward();
  CHECK(relative(x.grad(), y.grad()) < bound);
  CHECK(relative(weights.gain.master.grad(), reference.gain.master.grad()) < bound);
  CHECK(relative(weights.router.master.grad(), reference.router.master.grad()) < bound);
  CHECK(relative(weights.gate_up.master.grad(), reference.gate_up.master.grad()) < bound);
  CHECK(relative(weights.down.master.grad(), reference.down.master.grad()) < bound);
}

}  // namespace

TEST_CASE("experts: results and every gradient, few rows and many, one expert a row and all of them") {
  check({});
  check({.rows = 1});
  check({.rows = 300, .hidden = 33, .inner = 17});
  check({.experts = 3, .chosen = 1});
  check({.experts = 3, .chosen = 3});
  check({.experts = 1, .chosen = 1});
  check({.rows = 5, .experts = 16, .chosen = 2});  // most experts have no row
  check({.routing = 6});                           // few experts take most rows
  check({.shadow = true}, 0.05);
}

TEST_CASE("experts: the routing's gradient alone, and none where nothing is wanted") {
  const Case c;
  const ExpertWeights weights = weights_of(c, at::kFloat), reference = weights_of(c, at::kDouble);
  const ExpertShape shape{c.experts, c.chosen, 1e-5};
  const Tensor x = sample::numbers({c.rows, c.hidden}, 1, 77);
  experts_block(x, weights, shape).probabilities.square().sum().backward();
  plain::experts_block(x.to(at::kDouble), reference, shape).probabilities.square().sum().backward();
  CHECK(relative(weights.router.master.grad(), reference.router.master.grad()) < 2e-5);
  CHECK(relative(weights.gain.master.grad(), reference.gain.master.grad()) < 2e-5);
  CHECK_FALSE(weights.gate_up.master.grad().defined());
  const at::NoGradGuard no_grad;
  CHECK_FALSE(experts_block(x, weights, shape).hidden.requires_grad());
}

TEST_CASE("experts: a plan groups rows by expert in ascending order, whatever the number of threads") {
  const Tensor p = at::tensor({0.1f, 0.6f, 0.3f, 0.4f, 0.2f, 0.4f, 0.2f, 0.1f, 0.7f}, at::kFloat).view({3, 3});
  const ExpertPlan plan = plan_experts(p, 2);
  // Row 0 goes to 1 and 2, row 1 to 0 and 2 (equals: the lower first), row 2 to 2 and 0.
  CHECK(plan.chosen.equal(at::tensor({1, 2, 0, 2, 2, 0}, at::kInt).view({3, 2})));
  CHECK(plan.bounds == std::vector<std::int64_t>{0, 2, 3, 6});
  CHECK(plan.rows.equal(at::tensor({1, 2, 0, 0, 1, 2}, at::kLong)));
  CHECK(plan.places.equal(at::tensor({2, 3, 0, 4, 5, 1}, at::kLong).view({3, 2})));
  const Tensor weights = expert_weights(p, plan);
  CHECK(relative(weights, at::tensor({2.0 / 3, 1.0 / 3, 0.5, 0.5, 7.0 / 9, 2.0 / 9}, at::kDouble).view({3, 2})) < 1e-6);
  CHECK(expert_weights(p, plan_experts(p, 1)).view(-1).equal(at::tensor({0.6f, 0.4f, 0.7f}, at::kFloat)));
  const Case c{.rows = 2000};
  const ExpertWeights some = weights_of(c, at::kFloat);
  const at::NoGradGuard no_grad;
  const Tensor x = sample::numbers({c.rows, c.hidden}, 1, 9);
  const Tensor first = experts_block(x, some, {c.experts, c.chosen, 1e-5}).hidden;
  CHECK(experts_block(x, some, {c.experts, c.chosen, 1e-5}).hidden.equal(first));
}
