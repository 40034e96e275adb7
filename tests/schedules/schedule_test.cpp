#include "schedules/schedule.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace dsd {
namespace {

std::vector<double> values(const ScheduleConfig& config, std::int64_t steps) {
  std::vector<double> all;
  for (std::int64_t step = 0; step < steps; ++step) all.push_back(value(config, {step, steps}));
  return all;
}

void check_equal(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(got[i] - expected[i]) <= 1e-15 * std::max(1.0, std::abs(expected[i])));
  }
}

TEST_CASE("a constant stays, and rises over its warm-up") {
  check_equal(values(ConstantSchedule{.value = 0.7}, 3), {0.7, 0.7, 0.7});
  check_equal(values(ConstantSchedule{.value = 2.0, .warm_up = 0.5}, 8), {0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0});
}

TEST_CASE("linear without warm-up begins at `from` and its last step is one step above `to`") {
  check_equal(values(LinearSchedule{.from = 1.0, .to = 0.0}, 4), {1.0, 0.75, 0.5, 0.25});
  check_equal(values(LinearSchedule{.from = 1.0, .to = 3.0}, 4), {1.0, 1.5, 2.0, 2.5});
}

// transformers: max(0, (steps - s)/(steps - warm_up_steps)) after a warm-up; there the warm-up is s/w, here (s + 1)/w.
TEST_CASE("linear with warm-up") {
  check_equal(values(LinearSchedule{.from = 1.0, .to = 0.0, .warm_up = 0.2}, 10),
              {0.5, 1.0, 1.0, 7.0 / 8, 6.0 / 8, 5.0 / 8, 4.0 / 8, 3.0 / 8, 2.0 / 8, 1.0 / 8});
}

TEST_CASE("a warm-up of 1 fills the run, and one shorter than half a step is none") {
  check_equal(values(LinearSchedule{.from = 4.0, .to = 0.0, .warm_up = 1.0}, 4), {1.0, 2.0, 3.0, 4.0});
  check_equal(values(CosineSchedule{.from = 4.0, .to = 0.0, .warm_up = 1.0}, 4), {1.0, 2.0, 3.0, 4.0});
  check_equal(values(LinearSchedule{.from = 1.0, .to = 0.0, .warm_up = 0.1}, 4), {1.0, 0.75, 0.5, 0.25});
}

TEST_CASE("cosine") {
  const double quarter = std::cos(std::numbers::pi / 4);
  check_equal(values(CosineSchedule{.from = 1.0, .to = 0.0}, 4), {1.0, (1 + quarter) / 2, 0.5, (1 - quarter) / 2});
  check_equal(values(CosineSchedule{.from = 3.0, .to = 1.0, .warm_up = 0.5}, 4), {1.5, 3.0, 3.0, 2.0});
}

TEST_CASE("the article's temperature: 2.0 * 0.8^stage over equal parts") {
  const ScheduleConfig decay = StageDecaySchedule{.from = 2.0, .factor = 0.8, .stages = 4};
  check_equal(values(decay, 8), {2.0, 2.0, 1.6, 1.6, 1.28, 1.28, 1.024, 1.024});
  check_equal(values(decay, 10), {2.0, 2.0, 2.0, 1.6, 1.6, 1.28, 1.28, 1.28, 1.024, 1.024});
  check_equal(values(StageDecaySchedule{.from = 2.0, .factor = 0.8, .stages = 1}, 3), {2.0, 2.0, 2.0});
}

TEST_CASE("the article's weight: 0.5 + 0.5 * stage/(stages - 1), defined for one stage too") {
  const ScheduleConfig rise = StageRiseSchedule{.from = 0.5, .to = 1.0, .stages = 3};
  check_equal(values(rise, 6), {0.5, 0.5, 0.75, 0.75, 1.0, 1.0});
  check_equal(values(StageRiseSchedule{.from = 0.5, .to = 1.0, .stages = 1}, 3), {0.5, 0.5, 0.5});
}

TEST_CASE("fewer steps than stages skip stages, and no step leaves the last one") {
  check_equal(values(StageDecaySchedule{.from = 1.0, .factor = 0.5, .stages = 4}, 2), {1.0, 0.25});
  CHECK(value(StageDecaySchedule{.from = 1.0, .factor = 0.5, .stages = 4}, {8, 8}) == 0.125);
}

TEST_CASE("at the run's end, after the last step, a schedule has arrived") {
  CHECK(value(LinearSchedule{.from = 1.0, .to = 0.25, .warm_up = 0.3}, {10, 10}) == 0.25);
  CHECK(value(CosineSchedule{.from = 1.0, .to = 0.25}, {10, 10}) == doctest::Approx(0.25).epsilon(1e-15));
  CHECK(value(LinearSchedule{.from = 1.0, .to = 0.25, .warm_up = 1.0}, {10, 10}) == 0.25);
}

TEST_CASE("one step, and a run of trillions") {
  check_equal(values(LinearSchedule{.from = 1.0, .to = 0.0, .warm_up = 0.1}, 1), {1.0});
  const std::int64_t steps = std::int64_t{1} << 62;
  CHECK(value(StageRiseSchedule{.from = 0.0, .to = 1.0, .stages = 1000000}, {steps - 1, steps}) == 1.0);
}

}  // namespace
}  // namespace dsd
