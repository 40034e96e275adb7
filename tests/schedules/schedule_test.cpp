#include "schedules/schedule.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace dsd {
namespace {

std::vector<double> values(std::string_view text, std::int64_t steps) {
  const ScheduleConfig config = schedule_of(text);
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
  check_equal(values("0.7", 3), {0.7, 0.7, 0.7});
  check_equal(values("2.0, warm-up 50%", 8), {0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0});
}

TEST_CASE("linear without warm-up begins at `from` and its last step is one step above `to`") {
  check_equal(values("1.0 -> 0.0 linear", 4), {1.0, 0.75, 0.5, 0.25});
  check_equal(values("1.0 -> 3.0 linear", 4), {1.0, 1.5, 2.0, 2.5});
}

// transformers: max(0, (steps - s)/(steps - warm_up_steps)) after a warm-up; there the warm-up is s/w, here (s + 1)/w.
TEST_CASE("linear with warm-up") {
  check_equal(values("1.0 -> 0.0 linear, warm-up 20%", 10),
              {0.5, 1.0, 1.0, 7.0 / 8, 6.0 / 8, 5.0 / 8, 4.0 / 8, 3.0 / 8, 2.0 / 8, 1.0 / 8});
}

TEST_CASE("a warm-up of 1 fills the run, and one shorter than half a step is none") {
  check_equal(values("4.0 -> 0.0 linear, warm-up 100%", 4), {1.0, 2.0, 3.0, 4.0});
  check_equal(values("4.0 -> 0.0 cosine, warm-up 100%", 4), {1.0, 2.0, 3.0, 4.0});
  check_equal(values("1.0 -> 0.0 linear, warm-up 10%", 4), {1.0, 0.75, 0.5, 0.25});
}

TEST_CASE("cosine") {
  const double quarter = std::cos(std::numbers::pi / 4);
  check_equal(values("1.0 -> 0.0 cosine", 4), {1.0, (1 + quarter) / 2, 0.5, (1 - quarter) / 2});
  check_equal(values("3.0 -> 1.0 cosine, warm-up 50%", 4), {1.5, 3.0, 3.0, 2.0});
}

TEST_CASE("the article's temperature: 2.0 * 0.8^stage over equal parts") {
  const char* decay = "2.0 * 0.8^stage, 4 stages";
  check_equal(values(decay, 8), {2.0, 2.0, 1.6, 1.6, 1.28, 1.28, 1.024, 1.024});
  check_equal(values(decay, 10), {2.0, 2.0, 2.0, 1.6, 1.6, 1.28, 1.28, 1.28, 1.024, 1.024});
  check_equal(values("2.0 * 0.8^stage, 1 stages", 3), {2.0, 2.0, 2.0});
}

TEST_CASE("the article's weight: 0.5 + 0.5 * stage/(stages - 1), defined for one stage too") {
  const char* rise = "0.5 -> 1.0 in 3 stages";
  check_equal(values(rise, 6), {0.5, 0.5, 0.75, 0.75, 1.0, 1.0});
  check_equal(values("0.5 -> 1.0 in 1 stages", 3), {0.5, 0.5, 0.5});
}

TEST_CASE("fewer steps than stages skip stages, and no step leaves the last one") {
  check_equal(values("1.0 * 0.5^stage, 4 stages", 2), {1.0, 0.25});
  CHECK(value(schedule_of("1.0 * 0.5^stage, 4 stages"), {8, 8}) == 0.125);
}

TEST_CASE("at the run's end, after the last step, a schedule has arrived") {
  CHECK(value(schedule_of("1.0 -> 0.25 linear, warm-up 30%"), {10, 10}) == 0.25);
  CHECK(value(schedule_of("1.0 -> 0.25 cosine"), {10, 10}) == doctest::Approx(0.25).epsilon(1e-15));
  CHECK(value(schedule_of("1.0 -> 0.25 linear, warm-up 100%"), {10, 10}) == 0.25);
}

TEST_CASE("one step, and a run of trillions") {
  check_equal(values("1.0 -> 0.0 linear, warm-up 10%", 1), {1.0});
  const std::int64_t steps = std::int64_t{1} << 62;
  CHECK(value(schedule_of("0.0 -> 1.0 in 1000000 stages"), {steps - 1, steps}) == 1.0);
}

TEST_CASE("exponential: a straight line in the logarithm") {
  check_equal(values("8 -> 0.5 exponential", 4), {8, 4, 2, 1});
  CHECK(value(schedule_of("8 -> 0.5 exponential over 2 steps"), {2, 4}) == 0.5);
}

TEST_CASE("root: a straight line in the square, the competence of a curriculum") {
  check_equal(values("0.6 -> 1 root", 4),
              {0.6, std::sqrt(0.36 + 0.16), std::sqrt(0.36 + 0.32), std::sqrt(0.36 + 0.48)});
  CHECK(value(schedule_of("0.01 -> 1 root over 50%"), {5, 10}) == 1);
}

TEST_CASE("a segment takes its share of the run, or its steps, and the last value holds") {
  check_equal(values("0.9 -> 0.1 linear over 40%", 10), {0.9, 0.7, 0.5, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1});
  check_equal(values("1 -> 0 linear over 2 steps", 4), {1, 0.5, 0, 0});
  check_equal(values("1 -> 0 linear over 8 steps", 4), {1, 0.875, 0.75, 0.625});  // the run ends first
  check_equal(values("1 -> 3 in 2 stages over 50%", 8), {1, 1, 3, 3, 3, 3, 3, 3});
  check_equal(values("8 * 0.5^stage in 2 stages over 4 steps", 6), {8, 8, 4, 4, 4, 4});
}

TEST_CASE("segments follow one another, and percents that do not divide the run still fill it") {
  check_equal(values("0 over 20%, then 0 -> 1 linear over 4 steps, then 1 -> 0 linear", 10),
              {0, 0, 0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25});
  check_equal(values("1 over 33.3%, then 2 over 33.3%, then 3 over 33.4%", 10), {1, 1, 1, 2, 2, 2, 2, 3, 3, 3});
  check_equal(values("1 over 10%, then 2 over 10%, then 3", 3), {2, 3, 3});  // round(0.3), round(0.6)
  CHECK(value(schedule_of("1 over 100%, then 2 -> 4 linear"), {10, 10}) == 4);
}

TEST_CASE("a warm-up comes first and rises to where the first segment begins") {
  check_equal(
      values("2 -> 1 linear over 50% then 1 -> 0 linear, warm-up 4 steps", 20),
      {0.5, 1, 1.5, 2, 2, 1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1, 1, 5.0 / 6, 4.0 / 6, 0.5, 2.0 / 6, 1.0 / 6});
  check_equal(values("1, warm-up 8 steps", 4), {0.125, 0.25, 0.375, 0.5});
  check_equal(values("3 * 0.5^stage, 2 stages, warm-up 50%", 4), {1.5, 3, 3, 1.5});
}

// What the maps `{kind: linear, from, to, warm_up}` of earlier recipes gave, to the bit.
TEST_CASE("values are those of the formulas, to the bit") {
  for (const std::int64_t steps : {7, 30, 1000}) {
    for (std::int64_t step = 0; step < steps; ++step) {
      const double risen = std::round(0.1 * static_cast<double>(steps)), s = static_cast<double>(step);
      const double t = (s - risen) / (static_cast<double>(steps) - risen);
      const bool rises = s < risen;
      CHECK(value(schedule_of("0.7 -> 0.2 linear, warm-up 10%"), {step, steps}) ==
            (rises ? 0.7 * ((s + 1) / risen) : 0.7 + (0.2 - 0.7) * t));
      CHECK(value(schedule_of("0.7 -> 0.2 cosine, warm-up 10%"), {step, steps}) ==
            (rises ? 0.7 * ((s + 1) / risen) : 0.2 + (0.7 - 0.2) * (1 + std::cos(std::numbers::pi * t)) / 2));
      const auto stage = static_cast<double>(step * 4 / steps);
      CHECK(value(schedule_of("2.0 * 0.8^stage, 4 stages"), {step, steps}) == 2.0 * std::pow(0.8, stage));
      CHECK(value(schedule_of("0.5 -> 1 in 4 stages"), {step, steps}) == 0.5 + (1.0 - 0.5) * (stage / 3.0));
    }
  }
}

TEST_CASE("the extremes of a schedule, and whether it is fixed") {
  CHECK(extremes(schedule_of("2 * 0.5^stage, 3 stages")) == std::pair(0.5, 2.0));
  CHECK(extremes(schedule_of("1 -> 4 in 1 stage")) == std::pair(1.0, 1.0));
  CHECK(extremes(schedule_of("0 over 10%, then 3 -> 1 cosine, warm-up 10%")) == std::pair(0.0, 3.0));
  CHECK(is_fixed(2.0));
  CHECK(is_fixed(schedule_of("2 over 50%, then 2 -> 2 linear")));
  CHECK_FALSE(is_fixed(schedule_of("2, warm-up 1%")));
  CHECK_FALSE(is_fixed(schedule_of("2 -> 1 linear")));
}

}  // namespace
}  // namespace dsd
