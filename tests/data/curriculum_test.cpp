// Curricula: what a step may draw from, that it is a function of seed and step, and what follows it.
#include "core/data/curriculum.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/base/error.h"
#include "core/data/plan.h"
#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

constexpr std::int64_t kRows = 100, kBatch = 8, kSteps = 60;

// The longest example comes first in the file.
Dataset falling_lengths() {
  Dataset data;
  for (std::int64_t i = 0; i < kRows; ++i)
    data.append(Example{.ids = std::vector<std::int32_t>(static_cast<std::size_t>(kRows - i), 1)});
  return data;
}

Curriculum curriculum_of(std::string_view competence) {
  std::vector<double> lengths;
  for (std::int64_t i = 0; i < kRows; ++i) lengths.push_back(static_cast<double>(kRows - i));
  return {.competence = schedule_of(competence), .easiest_first = easiest_first(lengths), .steps = kSteps};
}

TEST_CASE("the order of difficulty: equals as in the file, the unknown last") {
  const std::vector<double> difficulties{3, NAN, 1, 3, 0.5, NAN, 1};
  CHECK(easiest_first(difficulties) == std::vector<std::int32_t>{4, 2, 6, 0, 3, 1, 5});
}

TEST_CASE("a step draws from the easiest share, each as likely, and never fewer than a batch") {
  const Dataset data = falling_lengths();
  Plan plan(data, kBatch, 5);
  plan.follow(curriculum_of("0.02 -> 1 root over 50%"));
  std::vector<int> seen(kRows);
  for (std::int64_t step = 0; step < kSteps / 2; ++step) {
    const double competence = std::sqrt(0.0004 + (1 - 0.0004) * static_cast<double>(step) / 30);
    const auto allowed = std::max<std::int64_t>(kBatch, static_cast<std::int64_t>(std::ceil(competence * kRows)));
    CHECK(within_competence(curriculum_of("0.02 -> 1 root over 50%"), kBatch, step) == allowed);
    const auto examples = plan.step(step);
    CHECK(std::set(examples.begin(), examples.end()).size() == kBatch);
    for (const auto example : examples) {
      CHECK(data.length(example) <= allowed);
      ++seen[static_cast<std::size_t>(example)];
    }
  }
  CHECK(seen[kRows - 1] > seen[kRows / 2]);
}

TEST_CASE("it is a function of seed and step, whatever was asked for before, and no two steps are alike") {
  const Dataset data = falling_lengths();
  Plan plan(data, kBatch, 5), same(data, kBatch, 5), other(data, kBatch, 6);
  for (Plan* each : {&plan, &same, &other}) each->follow(curriculum_of("0.5"));
  const auto tenth = plan.step(10), first = plan.step(0);
  CHECK(same.step(0) == first);
  CHECK(same.step(10) == tenth);
  CHECK(first != tenth);
  CHECK(other.step(0) != first);
}

TEST_CASE("after it the order is the ordinary one") {
  const Dataset data = falling_lengths();
  Plan plan(data, kBatch, 5), ordinary(data, kBatch, 5);
  plan.follow(curriculum_of("0.1 -> 1 linear over 30 steps"));
  CHECK(plan.step(5) != ordinary.step(5));
  for (std::int64_t step = 30; step < kSteps; ++step) CHECK(plan.step(step) == ordinary.step(step));
}

TEST_CASE("fewer examples than a batch, and a curriculum of other data") {
  Dataset two;
  two.append(Example{.ids = {1, 2}});
  two.append(Example{.ids = {1}});
  Plan plan(two, kBatch, 5);
  plan.follow({.competence = 0.1, .easiest_first = {1, 0}, .steps = 4});
  CHECK(plan.step(0).size() == 2);
  CHECK_THROWS_WITH_AS(plan.follow(curriculum_of("0.1")), "a curriculum of 100 examples for 2", Error);
}

}  // namespace
}  // namespace dsd
