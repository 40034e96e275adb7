// Rows' own temperatures in a walk over a vocabulary: the walk against the plain composition in float64, and that only
// what is asked for changes.
#include <cmath>
#include <limits>

#include "core/base/error.h"
#include "losses/temperatures.h"
#include "losses/vocabulary_head.h"
#include "tests/check.h"
#include "tests/losses/vocabulary_sample.h"

using namespace dsd;
using namespace dsd::sample;

namespace {

RowTemperature rule_of(RowMeasure measure, double mean, double slope) {
  RowTemperature rule{.measure = measure, .entropy_temperature = 3, .base = 2, .slope = slope};
  rule.mean = mean, rule.least = 1, rule.most = 6;
  rule.given = measure == RowMeasure::miss;
  return rule;
}

std::vector<RowTemperature> rules() {
  std::vector<RowTemperature> all{rule_of(RowMeasure::unlikeness, 0.9, -1.5),
                                  rule_of(RowMeasure::uncertainty, 3.0, 0.25), rule_of(RowMeasure::entropy, 2.0, 0.5),
                                  rule_of(RowMeasure::miss, 0, 0)};
  all.push_back(all[0]), all.back().power = 0.5, all.back().squared = false;
  all.push_back(all[2]), all.back().weighs = true;
  return all;
}

void check(const Case& c, double bound) {
  CAPTURE(static_cast<int>(c.rule.measure));
  CAPTURE(c.classes);
  const Side ours(c, at::kFloat), exact(c, at::kDouble);
  VocabularyTotals totals, expected;
  const Tensor loss = vocabulary_loss(ours.work(c), &totals);
  const Tensor reference = plain::vocabulary_loss(exact.work(c), &expected);
  CHECK(loss.item<double>() == doctest::Approx(reference.item<double>()).epsilon(bound));
  VocabularyTotals asked;  // 1 where the terms ask for the loss
  each_loss(asked, c.terms, [](double& one, float coefficient) { one = coefficient != 0 ? 1 : 0; });
  each_loss(totals, asked, [](double& total, double one) { total *= one; });
  each_loss(totals, expected, [&](double got, double wanted) { CHECK(got == doctest::Approx(wanted).epsilon(bound)); });
  CHECK(relative(ours.temperatures, exact.temperatures) < bound);
  const Tensor known = exact.difficulties.isnan().logical_not();
  CHECK(at::equal(known, ours.difficulties.isnan().logical_not()));
  CHECK(relative(ours.difficulties.masked_select(known), exact.difficulties.masked_select(known)) < bound);
  CHECK(ours.temperatures.max().item<double>() > ours.temperatures.min().item<double>());
  loss.backward();
  reference.backward();
  CHECK(relative(ours.scores.hidden.grad(), exact.scores.hidden.grad()) < bound);
  CHECK(relative(ours.weight.master.grad(), exact.weight.master.grad()) < bound);
}

// Terms that ask for every soft loss, with and without what cross-entropy leaves behind.
const std::vector<VocabularyTerms> kSome{{.forward = 0.7f},
                                         {.forward = 0.7f, .cross_entropy = 0.3f},
                                         {.reverse = 0.9f, .cross_entropy = 0.3f, .label_smoothing = 0.25f},
                                         {.jensen_shannon = 2.0f, .teacher_share = 0.25f},
                                         {.soft_cross_entropy = 0.7f, .cross_entropy = 0.3f},
                                         {.skew = 0.8f, .teacher_share = 0.1f},
                                         {.skew_reverse = 0.8f, .teacher_share = 0.9f},
                                         {.total_variation = 1.5f, .cross_entropy = 0.3f},
                                         {.forward = 0.7f, .target_share = 0.4f},
                                         {.reverse = 0.7f, .target_share = 0.6f}};

VocabularyTile tile_of(const Tensor& student, const Tensor& teacher, const RowTemperature& rule) {
  const std::int64_t rows = student.size(0);
  return {.student = student.clone(),
          .teacher = teacher.clone(),
          .labels = at::arange(rows, at::kInt),
          .terms = {.forward = 1},
          .rule = rule,
          .temperatures = at::full({rows}, 1.5f, at::kFloat),
          .difficulties = at::empty({rows}, at::kFloat)};
}

}  // namespace

TEST_CASE("with temperatures of rows' own the walk equals the plain composition, values and gradients") {
  for (const RowTemperature& rule : rules()) {
    for (const VocabularyTerms& terms : kSome) {
      for (const Form form : {Form::lazy, Form::dense}) {
        check({.terms = terms, .form = form, .rule = rule}, 3e-5);
        check({.rows = 9, .classes = 1500, .tile_rows = 4, .terms = terms, .form = form, .rule = rule}, 5e-5);
        check({.rows = 5, .classes = 33, .terms = terms, .soft_cap = 3, .padded = true, .form = form, .rule = rule},
              5e-5);
      }
    }
  }
}

TEST_CASE("every instruction set measures the same") {
  for (const RowTemperature& rule : rules()) {
    const Tensor student = numbers({4, 77}, 2, 1), teacher = numbers({4, 77}, 2, 2);
    const VocabularyTile best = tile_of(student, teacher, rule);
    vocabulary_rows(best);
    for (const auto isa : {cpu::Isa::baseline, cpu::Isa::avx2, cpu::Isa::avx512}) {
      if (!cpu::supported(isa)) continue;
      const VocabularyTile tile = tile_of(student, teacher, rule);
      vocabulary_rows(tile, cpu::functions_of(isa));
      CHECK(relative(tile.temperatures, best.temperatures) < 1e-6);
      CHECK(relative(tile.difficulties, best.difficulties) < 1e-6);
      CHECK(relative(tile.student, best.student) < 1e-5);
    }
  }
}

TEST_CASE("a class that either side masks has no part in a row's difficulty") {
  for (const RowTemperature& rule : rules()) {
    for (const bool student_masks : {false, true}) {
      if (rule.measure == RowMeasure::miss && !student_masks) continue;  // of the student alone
      const Tensor student = numbers({4, 45}, 2, 1), teacher = numbers({4, 45}, 2, 2);
      const VocabularyTile shorter = tile_of(student.slice(1, 0, 40), teacher.slice(1, 0, 40), rule);
      Tensor masked_student = student.clone(), masked_teacher = teacher.clone();
      (student_masks ? masked_student : masked_teacher).slice(1, 40).fill_(-INFINITY);
      const VocabularyTile masked = tile_of(masked_student, masked_teacher, rule);
      const double a = vocabulary_rows(shorter).forward, b = vocabulary_rows(masked).forward;
      CHECK(a == doctest::Approx(b).epsilon(1e-6));
      CHECK(relative(masked.difficulties, shorter.difficulties) < 1e-6);
      CHECK(relative(masked.temperatures, shorter.temperatures) < 1e-6);
    }
  }
  RowTemperature rule = rules()[1];
  const VocabularyTile nothing = tile_of(at::full({1, 9}, -INFINITY), at::zeros({1, 9}), rule);
  CHECK(vocabulary_rows(nothing).forward == 0);
  CHECK(nothing.temperatures.item<float>() == rule.base);
  CHECK(nothing.difficulties.item<float>() == rule.mean);
}

TEST_CASE("a walk that has no room for them, or only a teacher's top, says so") {
  Case c{.terms = {.forward = 1}, .rule = rules()[0]};
  const Side side(c, at::kFloat);
  VocabularyWork work = side.work(c);
  work.difficulties = Tensor();
  CHECK_THROWS_WITH_AS(vocabulary_loss(work, nullptr), doctest::Contains("room for the temperature"), Error);
  c.form = Form::top;
  const Side top(c, at::kFloat);
  CHECK_THROWS_WITH_AS(vocabulary_loss(top.work(c), nullptr), doctest::Contains("not against its top-k"), Error);
}
