// Row losses over a vocabulary: golden values (computed in float64 by numpy from z_T = [2, 1, 0, -1, .5],
// z_S = [1, 1.5, -.5, 0, .25], y = 0), and the fused walk against the plain composition in float64.
#include <array>
#include <cmath>

#include "core/base/error.h"
#include "core/base/random.h"
#include "losses/loss.h"
#include "losses/vocabulary_head.h"
#include "tests/check.h"

using namespace dsd;
using at::Tensor;

namespace {

Tensor numbers(std::vector<std::int64_t> shape, double deviation, std::uint64_t seed) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return at::tensor(normal_numbers(count, deviation, {.seed = seed, .purpose = Purpose::weights}), at::kFloat)
      .view(shape);
}

struct Case {
  std::int64_t rows = 7, classes = 37, hidden = 12, teacher_hidden = 20, tile_rows = 256;
  VocabularyTerms terms;
  float scale = 1, soft_cap = 0;
  bool bias = false, bf16 = false, more_rows_of_weight = false;
};

// One side of a comparison, in its own dtype.
struct Side {
  Weight weight, teacher_weight;
  Scores scores;
  Target teacher;
  Tensor labels;

  Side(const Case& c, at::ScalarType type) {
    const auto leaf = [&](std::vector<std::int64_t> shape, double deviation, std::uint64_t seed) {
      Tensor values = numbers(std::move(shape), deviation, seed);
      if (c.bf16) values = values.to(at::kBFloat16).to(at::kFloat);
      return values.to(type).requires_grad_();
    };
    weight.master = leaf({c.classes + (c.more_rows_of_weight ? 3 : 0), c.hidden}, 0.5, 1);
    teacher_weight.master = leaf({c.classes, c.teacher_hidden}, 0.5, 2).requires_grad_(false);
    if (c.bf16 && type == at::kFloat) {
      weight.shadow = weight.master.detach().to(at::kBFloat16);
      teacher_weight.shadow = teacher_weight.master.to(at::kBFloat16);
    }
    scores.hidden = leaf({c.rows, c.hidden}, 1, 3);
    scores.weight = &weight;
    scores.classes = c.classes;
    scores.scale = c.scale;
    scores.soft_cap = c.soft_cap;
    if (c.bias) scores.bias = leaf({c.classes}, 0.5, 4);
    Scores other;
    other.hidden = leaf({c.rows, c.teacher_hidden}, 1, 5).detach();
    other.weight = &teacher_weight;
    other.classes = c.classes;
    other.soft_cap = c.soft_cap;
    teacher = other;
    labels = at::empty({c.rows}, at::kInt);
    for (std::int64_t i = 0; i < c.rows; ++i) labels[i] = i % 4 == 2 ? -1 : static_cast<int>(i * 5 % c.classes);
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  VocabularyWork work(const Case& c) const {
    return {.student = &scores, .teacher = &teacher, .labels = labels, .terms = c.terms, .tile_rows = c.tile_rows};
  }
};

double relative(const Tensor& got, const Tensor& expected) {
  const double size = std::max(expected.abs().max().item<double>(), 1e-6);
  return (got.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>() / size;
}

void check(const Case& c, double bound) {
  CAPTURE(c.rows);
  CAPTURE(c.classes);
  const Side ours(c, at::kFloat), exact(c, at::kDouble);
  VocabularyTotals totals, expected;
  const Tensor loss = vocabulary_loss(ours.work(c), &totals);
  const Tensor reference = plain::vocabulary_loss(exact.work(c), &expected);
  CHECK(loss.item<double>() == doctest::Approx(reference.item<double>()).epsilon(bound));
  const VocabularyTerms& terms = c.terms;
  if (terms.forward != 0) CHECK(totals.forward == doctest::Approx(expected.forward).epsilon(bound));
  if (terms.reverse != 0) CHECK(totals.reverse == doctest::Approx(expected.reverse).epsilon(bound));
  if (terms.jensen_shannon != 0)
    CHECK(totals.jensen_shannon == doctest::Approx(expected.jensen_shannon).epsilon(bound));
  if (terms.cross_entropy != 0) CHECK(totals.cross_entropy == doctest::Approx(expected.cross_entropy).epsilon(bound));
  loss.backward();
  reference.backward();
  CHECK(relative(ours.scores.hidden.grad(), exact.scores.hidden.grad()) < bound);
  CHECK(relative(ours.weight.master.grad(), exact.weight.master.grad()) < bound);
  if (c.bias) CHECK(relative(ours.scores.bias.grad(), exact.scores.bias.grad()) < bound);
}

const std::vector<VocabularyTerms> kTerms{
    {.forward = 0.7f},
    {.cross_entropy = 0.3f},
    {.forward = 0.7f, .cross_entropy = 0.3f, .inverse_temperature = 0.5f},
    {.reverse = 0.9f, .inverse_temperature = 0.25f},
    {.jensen_shannon = 2.0f, .teacher_share = 0.1f, .inverse_temperature = 0.5f},
    {.jensen_shannon = 1.0f, .teacher_share = 0.9f},
    {.reverse = 0.2f, .jensen_shannon = 0.5f, .cross_entropy = 0.3f, .label_smoothing = 0.2f},
    {.cross_entropy = 1.0f, .label_smoothing = 0.1f}};

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
    check({.rows = 5, .classes = 33, .terms = terms, .more_rows_of_weight = true}, 2e-5);
  }
}

TEST_CASE("with products in bf16 it stays near") {
  for (const VocabularyTerms& terms : kTerms) check({.rows = 9, .classes = 130, .terms = terms, .bf16 = true}, 2e-2);
}

TEST_CASE("how rows are cut into tiles changes nothing but rounding, and the plain losses nothing at all") {
  Case c{.rows = 23, .classes = 50, .terms = {.forward = 0.7f, .cross_entropy = 0.3f, .inverse_temperature = 0.5f}};
  const Side whole(c, at::kFloat);
  vocabulary_loss(whole.work(c), nullptr).backward();
  for (const std::int64_t tile_rows : {1, 5, 22, 23, 24}) {
    Case cut = c;
    cut.tile_rows = tile_rows;
    const Side side(cut, at::kFloat);
    vocabulary_loss(side.work(cut), nullptr).backward();
    CHECK(relative(side.scores.hidden.grad(), whole.scores.hidden.grad()) < 1e-6);
    CHECK(relative(side.weight.master.grad(), whole.weight.master.grad()) < 1e-6);
  }
}

TEST_CASE("a class that is masked on both sides has no part; one that the student alone masks has an infinite one") {
  for (const cpu::Isa isa : {cpu::Isa::baseline, cpu::Isa::avx2, cpu::Isa::avx512}) {
    if (!cpu::supported(isa)) continue;
    for (const VocabularyTerms& terms : kTerms) {
      const Tensor student = numbers({3, 45}, 2, 1), teacher = numbers({3, 45}, 2, 2);
      VocabularyTile shorter{.student = student.slice(1, 0, 40).clone(),
                             .teacher = teacher.slice(1, 0, 40).clone(),
                             .labels = at::tensor({1, 0, -1}, at::kInt),
                             .terms = terms};
      shorter.terms.label_smoothing = 0;
      VocabularyTile masked = shorter;
      masked.student = student.clone(), masked.teacher = teacher.clone();
      masked.student.slice(1, 40).fill_(-INFINITY);
      masked.teacher.slice(1, 40).fill_(-INFINITY);
      const auto& functions = cpu::functions_of(isa);
      const VocabularyTotals a = vocabulary_rows(shorter, functions), b = vocabulary_rows(masked, functions);
      CHECK(a.forward == doctest::Approx(b.forward).epsilon(1e-6));
      CHECK(a.reverse == doctest::Approx(b.reverse).epsilon(1e-6));
      CHECK(a.jensen_shannon == doctest::Approx(b.jensen_shannon).epsilon(1e-6));
      CHECK(a.cross_entropy == doctest::Approx(b.cross_entropy).epsilon(1e-6));
      CHECK(relative(gradient_of(masked).slice(1, 0, 40), gradient_of(shorter)) < 1e-5);
      CHECK(gradient_of(masked).slice(1, 40).abs().max().item<double>() == 0);
    }
  }
  VocabularyTile tile{
      .student = at::tensor({0.0f, -INFINITY}).unsqueeze(0), .teacher = at::zeros({1, 2}), .terms = {.forward = 1}};
  CHECK(std::isinf(vocabulary_rows(tile).forward));
}

TEST_CASE("what a walk refuses") {
  const Case c{.terms = {.forward = 1}};
  Side side(c, at::kFloat);
  auto& teacher = std::get<Scores>(side.teacher);
  teacher.classes = 36;
  CHECK_THROWS_AS(vocabulary_loss(side.work(c), nullptr), Error);
  teacher.classes = 37;
  Tensor loss = vocabulary_loss(side.work(c), nullptr);
  CHECK_THROWS(at::mul(loss, 2).backward());
  VocabularyWork alone = side.work(c);
  alone.teacher = nullptr;
  CHECK_THROWS_AS(vocabulary_loss(alone, nullptr), Error);
}
