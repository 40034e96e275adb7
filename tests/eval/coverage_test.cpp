// What training data covers of a teacher: counts, confidence and entropy by class, and classes that are rare.
#include "core/eval/coverage.h"

#include <cmath>

#include "tests/eval/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using doctest::Approx;
using testing::classes_named;
using testing::kLetterA;
using testing::KnownModel;
using testing::SmallTask;

TEST_CASE("confidence and entropy are means over a class's rows; the vocabulary is counted once") {
  SmallTask small("sst2", "SST-2/dev.tsv", "sentence\tlabel\na\t1\nb c d\t0\nc\t0\nd e\t0\na b\t0\n");
  // Odds of 3 to 1 for "positive" where the text opens with a, of 1 to 1 elsewhere (and the first of equals wins).
  KnownModel model(classes_named({"negative", "positive"}), [](std::span<const std::int32_t> ids) {
    return std::vector{0.0F, ids[1] == kLetterA ? std::log(3.0F) : 0.0F};
  });
  const Coverage coverage = coverage_of(model, small.data, small.task, 100, {});
  const double unsure = std::log(2), sure = -(0.75 * std::log(0.75) + 0.25 * std::log(0.25));
  CHECK(coverage.rows == 5);
  CHECK(coverage.unlabelled == 0);
  CHECK(coverage.words == 100);
  CHECK(coverage.words_seen == 5 + 2);  // five letters and what stands around
  REQUIRE(coverage.classes.size() == 2);
  CHECK(coverage.classes[0].name == "negative");
  CHECK(coverage.classes[0].rows == 4);
  CHECK(coverage.classes[0].confidence == Approx((3 * 0.5 + 0.75) / 4).epsilon(1e-6));
  CHECK(coverage.classes[0].entropy == Approx((3 * unsure + sure) / 4).epsilon(1e-6));
  CHECK(coverage.classes[0].agreement == Approx(0.75));
  CHECK(coverage.classes[1].rows == 1);
  CHECK(coverage.classes[1].confidence == Approx(0.75).epsilon(1e-6));
  CHECK(coverage.classes[1].agreement == 1);
}

TEST_CASE("a class far below the mean is told, and no other") {
  std::string rows = "sentence\tlabel\n";
  for (int i = 0; i < 60; ++i) rows += "a b\t1\n";
  rows += "c\t0\n";
  SmallTask small("sst2", "SST-2/dev.tsv", rows);
  const auto warnings = rare_classes(small.data, small.task);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("'negative' has 1 of 61") != std::string::npos);
  SmallTask even("sst2", "SST-2/dev.tsv", "sentence\tlabel\na\t1\nb\t0\n");
  CHECK(rare_classes(even.data, even.task).empty());
}

}  // namespace
}  // namespace dsd
