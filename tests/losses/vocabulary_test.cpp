// Row losses over a vocabulary: golden values (computed in float64 by numpy from z_T = [2, 1, 0, -1, .5],
// z_S = [1, 1.5, -.5, 0, .25], y = 0), and the fused walk against the plain composition in float64.
#include <cmath>

#include "core/base/error.h"
#include "losses/loss.h"
#include "losses/vocabulary_head.h"
#include "tests/check.h"
#include "tests/losses/vocabulary_sample.h"

using namespace dsd;
using namespace dsd::sample;

namespace {

// Of the losses that the terms hold.
void check_totals(const VocabularyTerms& terms, const VocabularyTotals& got, const VocabularyTotals& expected,
                  double bound) {
  std::vector<double> exact;
  each_loss(terms, expected, [&](float coefficient, double total) { exact.push_back(coefficient != 0 ? total : 0); });
  std::size_t i = 0;
  each_loss(terms, got, [&](float coefficient, double total) {
    CHECK((coefficient != 0 ? total : 0) == doctest::Approx(exact[i++]).epsilon(bound));
  });
}

void check(const Case& c, double bound) {
  CAPTURE(c.rows);
  CAPTURE(c.classes);
  const Side ours(c, at::kFloat), exact(c, at::kDouble);
  VocabularyTotals totals, expected;
  const Tensor loss = vocabulary_loss(ours.work(c), &totals);
  const Tensor reference = plain::vocabulary_loss(exact.work(c), &expected);
  CHECK(loss.item<double>() == doctest::Approx(reference.item<double>()).epsilon(bound));
  check_totals(c.terms, totals, expected, bound);
  loss.backward();
  reference.backward();
  CHECK(relative(ours.scores.hidden.grad(), exact.scores.hidden.grad()) < bound);
  CHECK(relative(ours.weight.master.grad(), exact.weight.master.grad()) < bound);
  if (c.bias) CHECK(relative(ours.scores.bias.grad(), exact.scores.bias.grad()) < bound);
}

double mean_of(const Loss& loss, double temperature) {
  Batch batch;
  batch.rows = {at::arange(1, at::kInt)};
  Outputs outputs;
  outputs.heads.push_back({.dense = at::tensor({1.0, 1.5, -0.5, 0.0, 0.25}, at::kDouble).unsqueeze(0)});
  TeacherOutputs target;
  target.heads.push_back(Scores{.dense = at::tensor({2.0, 1.0, 0.0, -1.0, 0.5}, at::kDouble).unsqueeze(0)});
  const LossInput input{
      .student = {&outputs, 1}, .teachers = {&target, 1}, .batch = batch, .temperature = temperature, .progress = {}};
  return loss.sum(input).item<double>();
}

double jsd(double share, bool continuous) {
  return mean_of(*make_loss(SoftLossConfig{GeneralisedJsdConfig{.teacher_share = share, .continuous = continuous}}), 1);
}

}  // namespace

TEST_CASE("reverse KL and the generalised JSD have the golden values") {
  CHECK(mean_of(*make_loss(SoftLossConfig{ReverseKlConfig{}}), 1) == doctest::Approx(0.252761229442).epsilon(1e-10));
  CHECK(jsd(0.1, false) == doctest::Approx(0.021337496131).epsilon(1e-10));
  CHECK(jsd(0.5, false) == doctest::Approx(0.059535893355).epsilon(1e-10));
  CHECK(jsd(0.9, false) == doctest::Approx(0.022339073262).epsilon(1e-10));
  // Continuous: forward KL (0.238092281379) and reverse KL at the ends.
  CHECK(jsd(0.001, true) == doctest::Approx(0.238092281379).epsilon(2e-3));
  CHECK(jsd(0.999, true) == doctest::Approx(0.252761229442).epsilon(2e-3));
}

TEST_CASE("the walk over a vocabulary equals the plain composition, values and gradients") {
  for (const VocabularyTerms& terms : kTerms) {
    check({.terms = terms}, 2e-5);
    check({.rows = 1, .classes = 3, .terms = terms}, 2e-5);
    check({.rows = 9, .classes = 1500, .tile_rows = 4, .terms = terms, .bias = true}, 5e-5);
    check({.terms = terms, .scale = 0.25f, .soft_cap = 3, .bias = true}, 5e-5);
    check({.rows = 5, .classes = 33, .terms = terms, .padded = true}, 2e-5);
    for (const Form form : {Form::dense, Form::top}) {
      check({.terms = terms, .form = form}, 2e-5);
      check({.rows = 9, .classes = 1500, .tile_rows = 4, .terms = terms, .bias = true, .form = form}, 5e-5);
      check({.terms = terms, .soft_cap = 3, .bias = true, .form = form}, 5e-5);
      check({.rows = 2, .classes = 5, .terms = terms, .form = form}, 2e-5);
    }
    // More classes than one product has.
    check({.rows = 3, .classes = 4100, .terms = terms}, 5e-5);
  }
}

TEST_CASE("a moving target over a vocabulary, values and gradients; a top-k teacher cannot give it") {
  for (const Form form : {Form::lazy, Form::dense}) {
    check({.terms = {.forward = 0.7f, .inverse_temperature = 0.5f, .target_share = 0.4f}, .form = form}, 2e-5);
    check({.rows = 9,
           .classes = 1500,
           .tile_rows = 4,
           .terms = {.forward = 1, .target_share = 0.9f},
           .bias = true,
           .form = form},
          5e-5);
  }
  const Case top{.terms = {.forward = 1, .target_share = 0.4f}, .form = Form::top};
  const Side side(top, at::kFloat);
  CHECK_THROWS_WITH_AS(vocabulary_loss(side.work(top), nullptr), doctest::Contains("whole scores"), Error);
}

TEST_CASE("with products in bf16 it stays near") {
  for (const VocabularyTerms& terms : kTerms) {
    for (const Form form : {Form::lazy, Form::dense, Form::top})
      check({.rows = 9, .classes = 130, .terms = terms, .bf16 = true, .form = form}, 2e-2);
  }
}

TEST_CASE("tiles of every remainder: how rows are cut changes nothing but rounding") {
  for (const Form form : {Form::lazy, Form::top}) {
    Case c{.rows = 23, .classes = 50, .terms = {.forward = 0.7f, .cross_entropy = 0.3f}, .form = form};
    const Side whole(c, at::kFloat);
    VocabularyTotals all;
    vocabulary_loss(whole.work(c), &all).backward();
    for (c.tile_rows = 1; c.tile_rows <= 24; ++c.tile_rows) {
      const Side side(c, at::kFloat);
      VocabularyTotals totals;
      vocabulary_loss(side.work(c), &totals).backward();
      CHECK(totals.forward == doctest::Approx(all.forward).epsilon(1e-6));
      CHECK(totals.cross_entropy == doctest::Approx(all.cross_entropy).epsilon(1e-6));
      CHECK(relative(side.scores.hidden.grad(), whole.scores.hidden.grad()) < 1e-6);
      CHECK(relative(side.weight.master.grad(), whole.weight.master.grad()) < 1e-6);
    }
  }
}

TEST_CASE("a class that either side masks is out of the comparison on both, with a gradient of 0 and no NaN") {
  for (const VocabularyTerms& terms : kTerms) {
    for (const bool student_masks : {false, true}) {
      for (const bool teacher_masks : {false, true}) {
        if (!student_masks && (!teacher_masks || terms.cross_entropy != 0)) continue;
        const Tensor student = numbers({3, 45}, 2, 1), teacher = numbers({3, 45}, 2, 2);
        VocabularyTile shorter{.student = student.slice(1, 0, 40).clone(),
                               .teacher = teacher.slice(1, 0, 40).clone(),
                               .labels = at::tensor({1, 0, -1}, at::kInt),
                               .terms = terms};
        VocabularyTile masked = shorter;
        masked.student = student.clone(), masked.teacher = teacher.clone();
        if (student_masks) masked.student.slice(1, 40).fill_(-INFINITY);
        if (teacher_masks) masked.teacher.slice(1, 40).fill_(-INFINITY);
        const VocabularyTotals a = vocabulary_rows(shorter), b = vocabulary_rows(masked);
        check_totals(terms, a, b, 1e-6);
        CHECK(relative(gradient_of(masked).slice(1, 0, 40), gradient_of(shorter)) < 1e-5);
        CHECK(gradient_of(masked).slice(1, 40).abs().max().item<double>() == 0);
      }
    }
  }
}

TEST_CASE("a head that masks classes by its bias is as one without them, in the walk and in the plain composition") {
  for (const VocabularyTerms& terms : kTerms) {
    const Case c{.terms = terms, .bias = true};
    const Side shorter(c, at::kFloat);
    Side masked({.terms = terms, .bias = true, .padded = true}, at::kFloat);
    Side exact({.terms = terms, .bias = true, .padded = true}, at::kDouble);
    for (Side* side : {&masked, &exact}) {
      const at::NoGradGuard no_grad;
      side->weight.master.narrow(0, 0, c.classes).copy_(shorter.weight.master);
      side->scores.bias.narrow(0, 0, c.classes).copy_(shorter.scores.bias);
      side->scores.bias.narrow(0, c.classes, 3).fill_(-INFINITY);
      side->scores.hidden.copy_(shorter.scores.hidden);
      side->scores.classes = c.classes + 3;
      const Tensor logits = dense_rows(std::get<Scores>(shorter.teacher), 0, c.rows);
      side->teacher = Scores{.dense = at::cat({logits, at::ones({c.rows, 3})}, 1)};
    }
    const Tensor whole = vocabulary_loss(shorter.work(c), nullptr), walk = vocabulary_loss(masked.work(c), nullptr),
                 reference = plain::vocabulary_loss(exact.work(c), nullptr);
    CHECK(walk.item<double>() == doctest::Approx(whole.item<double>()).epsilon(1e-5));
    CHECK(reference.item<double>() == doctest::Approx(whole.item<double>()).epsilon(1e-5));
    whole.backward(), walk.backward(), reference.backward();
    CHECK(relative(masked.scores.hidden.grad(), shorter.scores.hidden.grad()) < 1e-5);
    CHECK(relative(exact.scores.hidden.grad(), shorter.scores.hidden.grad()) < 1e-5);
  }
}
