// The grammar of schedules: what is read, what is refused and where, what is written.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "core/base/error.h"
#include "schedules/schedule.h"

namespace dsd {
namespace {

std::string canonical(std::string_view text) { return schedule_of(text).text(); }

// "COLUMN text" of the one fault.
std::string fault_of(std::string_view text, const Range& range = any) {
  ScheduleConfig config = 0.25;
  const auto fault = config.read(text, range);
  REQUIRE_MESSAGE(fault, text);
  CHECK(config == ScheduleConfig(0.25));
  return std::to_string(fault->column) + " " + fault->text;
}

TEST_CASE("each form has one way to be written") {
  CHECK(canonical("0.7") == "0.7");
  CHECK(canonical("+4") == "4.0");
  CHECK(canonical("1 -> 0") == "1.0 -> 0.0 linear");
  CHECK(canonical("0.9->0.1 cosine over 60 %") == "0.9 -> 0.1 cosine over 60%");
  CHECK(canonical("8 -> .5 exponential over 1 step") == "8.0 -> 0.5 exponential over 1 step");
  CHECK(canonical("2.0 * 0.8^stage, 4 stages") == "2.0 * 0.8^stage, 4 stages");
  CHECK(canonical("2*0.8 ^ stage in 4 stages over 12.5%") == "2.0 * 0.8^stage, 4 stages over 12.5%");
  CHECK(canonical("0.5 -> 1, 4 stages") == "0.5 -> 1.0 in 4 stages");
  CHECK(canonical("1 -> 0 linear, warm-up 10%") == "1.0 -> 0.0 linear, warm-up 10%");
  CHECK(canonical("1,warm-up 0%") == "1.0");
  CHECK(canonical("0 -> -1 cosine over 500 steps") == "0.0 -> -1.0 cosine over 500 steps");
  CHECK(canonical("0 over 10% then 1 over 20%, then\n 2, warm-up 100 steps") ==
        "0.0 over 10%, then 1.0 over 20%, then 2.0, warm-up 100 steps");
}

TEST_CASE("a fault names its column and what was expected") {
  CHECK(
      fault_of("2 -> 1 lineer") ==
      "8 must be 'in N stages', 'linear', 'cosine', 'exponential', 'root', 'over', 'then', ', warm-up' or the end, got "
      "'lineer'; did you mean 'linear'?");
  CHECK(fault_of("0.7 x") == "5 must be '->', '*', 'over', 'then', ', warm-up' or the end, got 'x'");
  CHECK(fault_of("2 ->") == "5 must be a number, got the end");
  CHECK(fault_of("2 -> cosine") == "6 must be a number, got 'cosine'");
  CHECK(fault_of("1 -> 0 linear, warmup 10%") ==
        "16 must be 'then', ', warm-up' or the end, got 'warmup'; did you mean 'warm-up'?");
  CHECK(fault_of("1 -> 0 linear, warm-up 10") == "26 must be '%' or 'steps', got the end");
  CHECK(fault_of("1 -> 0 linear over") == "19 must be a length: '60%' or '500 steps', got the end");
  CHECK(fault_of("1 -> 0 over 0%") == "13 must be above 0, got '0'");
  CHECK(fault_of("1 -> 0 over 2.5 steps") == "13 must be a whole number of steps, got '2.5'");
  CHECK(fault_of("1 over 60%, then 2 over 50%") == "25 must be from 0 to 40, what is left of 100 %, got '50'");
  CHECK(fault_of("1 over 60%, then 2, warm-up 50%") == "29 must be from 0 to 40, what is left of 100 %, got '50'");
  CHECK(fault_of("1, then 2") == "2 must be 'over' and a length: only the last segment may be without one, got ','");
  CHECK(fault_of("2 * 0.8, 4 stages") == "8 must be '^stage', got ','");
  CHECK(fault_of("2 * 0.8^step, 4 stages") == "9 must be 'stage', got 'step'");
  CHECK(fault_of("2 * 0.8^stage") == "14 must be ', N stages', got the end");
  CHECK(fault_of("2 * 0.8^stage, 0 stages") == "16 must be a whole number of stages, 1 to 1000000, got '0'");
  CHECK(fault_of("2 * 0.8^stage, 4 steps") == "18 must be 'stages', got 'steps'");
  CHECK(fault_of("2 * 0^stage, 4 stages") == "5 must be above 0, got '0'");
  CHECK(fault_of("2 -> 0 exponential") == "6 must be above 0, as 'exponential' needs, got '0'");
  CHECK(fault_of("2 -> -1 root") == "6 must be 0 or above, as 'root' needs, got '-1'");
  CHECK(fault_of("2 * 10^stage, 1000 stages") == "5 must be small enough to stay finite, got '10'");
  CHECK(fault_of("1 -> 1e999") == "6 must fit into 64 bits");
  CHECK(fault_of("1 -> - 2") == "6 must be a number, got '-'");
}

TEST_CASE("what does not begin as a number is told as a whole") {
  for (const char* text : {"", "word", "-> 1", "linear", "nan", "inf", "[1]", "\xff"}) {
    CAPTURE(text);
    CHECK(fault_of(text) == "0 ");
  }
  CHECK_THROWS_WITH_AS(schedule_of("word"), "'word' is no schedule: column 0 must be a number", Error);
}

TEST_CASE("every number that a schedule takes is in the range of its key") {
  CHECK(fault_of("-1", Range{.min = 0}) == "0 must be >= 0, got -1");
  CHECK(fault_of("2 -> -0.5 cosine", Range{.min = 0}) == "6 must be >= 0, got -0.5");
  CHECK(fault_of("0", positive) == "0 must be > 0, got 0");
  CHECK(fault_of("2 over 50%, then 2 -> 0 linear", positive) == "23 must be > 0, got 0");
  CHECK(fault_of("0 -> 1 in 4 stages", positive) == "1 must be > 0, got 0");
  CHECK(fault_of("0.5 * 2^stage, 3 stages", fraction) == "7 must be <= 1, got 2 in the last stage");
  CHECK(fault_of("1 * 0.5^stage, 1000000 stages", positive) == "5 must be > 0, got 0 in the last stage");
  CHECK(fault_of("2, warm-up 10%", positive) ==
        "4 must be the end: a warm-up rises from 0, and this number may not be 0");
  ScheduleConfig config;
  CHECK_FALSE(config.read("0.5 * 2^stage, 2 stages, warm-up 10%", fraction));
}

// A random schedule that breaks no rule.
ScheduleConfig random_schedule(std::mt19937_64& rng) {
  const auto number = [&] { return std::ldexp(static_cast<double>(rng() >> 11), -50); };
  ScheduleConfig config;
  config.segments.clear();
  for (auto left = 1 + rng() % 4; left > 0; --left) {
    ScheduleSegment segment;
    switch (rng() % 4) {
      case 0:
        segment.shape = ConstantSegment{number()};
        break;
      case 1:
        segment.shape = ChangeSegment{number(), number(), static_cast<Curve>(rng() % 4)};
        break;
      case 2:
        segment.shape = StagesSegment{number(), number(), static_cast<std::int64_t>(1 + rng() % 9)};
        break;
      default:
        segment.shape = PowersSegment{number(), number() + 0.1, static_cast<std::int64_t>(1 + rng() % 9)};
    }
    if (left > 1 || rng() % 2)
      segment.over = rng() % 2 ? RunLength{.percent = number() * 2 + 0.001}
                               : RunLength{.steps = 1 + static_cast<std::int64_t>(rng() % 99)};
    config.segments.push_back(segment);
  }
  if (rng() % 2)
    config.warm_up = rng() % 2 ? RunLength{.percent = number() + 0.001}
                               : RunLength{.steps = 1 + static_cast<std::int64_t>(rng() % 9)};
  return config;
}

TEST_CASE("what is written reads as the same schedule, to the bit") {
  std::mt19937_64 rng(7);
  for (int i = 0; i < 2000; ++i) {
    const ScheduleConfig config = random_schedule(rng);
    const std::string text = config.text();
    CAPTURE(text);
    ScheduleConfig again;
    const auto fault = again.read(text, any);
    if (fault) MESSAGE(fault->column << " " << fault->text);
    REQUIRE_FALSE(fault);
    CHECK(again == config);
    CHECK(again.text() == text);
    for (const std::int64_t step : {0, 3, 49, 99}) {
      const double now = value(config, {step, 100});
      CHECK(now == value(again, {step, 100}));
      CHECK(std::isfinite(now));
      CHECK(now <= extremes(config).second * (1 + 1e-12));
    }
  }
}

TEST_CASE("random texts are read or refused, never more") {
  std::mt19937 rng(11);
  constexpr std::string_view pieces[] = {"1",      "0.5",    "->",          "*",    "^", "stage",     "stages",
                                         ",",      "in",     "over",        "then", "%", "steps",     "warm-up",
                                         "linear", "cosine", "exponential", "-",    "e", "9999999999"};
  int read = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto left = 1 + rng() % 9; left > 0; --left) text += std::string(pieces[rng() % std::size(pieces)]) + " ";
    if (i % 3 == 0) text[rng() % text.size()] = static_cast<char>(rng() % 256);
    ScheduleConfig config;
    if (config.read(text, any)) continue;
    ++read;
    CHECK(canonical(config.text()) == config.text());
  }
  CHECK(read > 100);
}

}  // namespace
}  // namespace dsd
