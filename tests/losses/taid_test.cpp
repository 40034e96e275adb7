// TAID: its target, and the schedule that follows the loss. Numbers by scripts/reference/logit_losses.py, which takes
// the update rule of the paper's authors.
#include "losses/taid.h"

#include "core/base/error.h"
#include "tests/losses/row_sample.h"

using namespace dsd;
using namespace dsd::sample;

namespace {

const std::vector<double> kMeans{2.0, 1.0, 0.5, 0.8, 0.2};

// t after each of the steps from `first` on.
std::vector<double> follow(Taid& loss, std::int64_t first, std::int64_t end) {
  std::vector<double> seen;
  for (std::int64_t step = first; step < end; ++step) {
    loss.after_step({.mean = kMeans[static_cast<std::size_t>(step)], .count = 1, .progress = {step, 100}});
    seen.push_back(loss.share());
  }
  return seen;
}

}  // namespace

TEST_CASE("the target mixes the teacher's logits with the student's, and no gradient goes through it") {
  const Taid loss({});
  const Tensor teacher = golden_teacher(), student = golden_student();
  const Batch batch = batch_of(1, std::monostate{});
  const auto forward = make_loss(SoftLossConfig{ForwardKlConfig{}});
  const Tensor target = teacher * 0.4 + student * 0.6;
  CHECK(value_of(loss, student, teacher, batch, 2) ==
        doctest::Approx(value_of(*forward, student, target, batch, 2)).epsilon(1e-13));
  CHECK(
      (sample::gradient_of(loss, student, teacher, batch, 2) - sample::gradient_of(*forward, student, target, batch, 2))
          .abs()
          .max()
          .item<double>() < 1e-15);
  const Taid whole({.from = 1});
  CHECK(value_of(whole, student, teacher, batch, 2) == value_of(*forward, student, teacher, batch, 2));
}

TEST_CASE("t follows the loss as in the authors' code, and never falls behind the line or above its end") {
  Taid loss({.from = 0.2, .to = 1.0, .rate = 0.05, .momentum = 0.9});
  const std::vector<double> expected{0.2, 0.220499895859, 0.240912359294, 0.260131496386, 0.279533361906};
  const auto seen = follow(loss, 0, 5);
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == doctest::Approx(expected[i]).epsilon(1e-11));
  Taid line({.from = 0.2, .to = 0.6, .rate = 0});
  line.after_step({.mean = 1, .count = 1, .progress = {0, 100}});
  line.after_step({.mean = 1, .count = 1, .progress = {50, 100}});
  CHECK(line.share() == doctest::Approx(0.4).epsilon(1e-14));
  line.after_step({.mean = 1, .count = 1, .progress = {99, 100}});
  CHECK(line.share() <= 0.6);
}

TEST_CASE("t, its trend and the loss before are saved: a restored loss goes on with the same bits") {
  const TaidConfig config{.from = 0.2, .rate = 0.05, .momentum = 0.9};
  Taid whole(config), first(config), second(config), fresh(config);
  const auto expected = follow(whole, 0, 5);
  follow(first, 0, 3);
  second.restore(first.state());
  const auto rest = follow(second, 3, 5);
  CHECK(rest == std::vector<double>(expected.begin() + 3, expected.end()));
  // Before the first step there is no loss to compare with.
  second.restore(fresh.state());
  CHECK(follow(second, 0, 5) == expected);
  State damaged = first.state();
  damaged.erase("trend");
  CHECK_THROWS_AS(second.restore(damaged), Error);
}
