// Temperatures: golden difficulties (float64, numpy, from z_T = [2, 1, 0, -1, .5], z_S = [1, 1.5, -.5, 0, .25], y = 0;
// the entropy's is peers' EA-KD weight), the rule by hand, what is learned, and what is saved.
#include "losses/temperature.h"

#include <cmath>

#include "core/base/error.h"
#include "losses/compared.h"
#include "losses/loss.h"
#include "tests/check.h"

using namespace dsd;

namespace {

const Tensor kTeacher = at::tensor({2.0, 1.0, 0.0, -1.0, 0.5}, at::kDouble).unsqueeze(0);
const Tensor kStudent = at::tensor({1.0, 1.5, -0.5, 0.0, 0.25}, at::kDouble).unsqueeze(0);

double difficulty(const RowTemperature& rule) {
  return row_difficulties(rule, kStudent, kTeacher, at::tensor({0}, at::kInt)).item<double>();
}

RowTemperature rule_of(RowMeasure measure) { return {.measure = measure, .entropy_temperature = 3}; }

// Rows whose difficulty by cwsm is known: two classes with logits (log odds, 0).
Tensor rows_of(std::vector<double> log_odds) {
  const Tensor first = at::tensor(log_odds, at::kDouble);
  return at::stack({first, at::zeros_like(first)}, -1);
}
// KL(teacher || student) at temperatures, [N].
Tensor kl_at(const Temperatures& temperatures) {
  return forward_kl(compared(kStudent / temperatures, kTeacher / temperatures));
}
double cwsm(double log_odds) { return 1 / (1 / (1 + std::exp(-std::abs(log_odds))) + 1e-3); }

// One step: the rows' temperatures in it.
Tensor step(Temperature& temperature, const Tensor& student, const Tensor& labels = {}, Progress progress = {}) {
  temperature.begin_step(progress);
  const Temperatures rows = temperature.of_rows(student, at::zeros_like(student), labels);
  temperature.after_step();
  return rows.rows;
}

void check_values(const Tensor& got, const std::vector<double>& expected, double bound = 1e-10) {
  REQUIRE(got.numel() == std::ssize(expected));
  for (std::int64_t i = 0; i < got.numel(); ++i)
    CHECK(got[i].item<double>() == doctest::Approx(expected[static_cast<std::size_t>(i)]).epsilon(bound));
}

}  // namespace

TEST_CASE("difficulties have the golden values") {
  CHECK(difficulty(rule_of(RowMeasure::entropy)) == doctest::Approx(1.541455947919).epsilon(1e-11));
  CHECK(difficulty(rule_of(RowMeasure::unlikeness)) == doctest::Approx(0.231842658794).epsilon(1e-11));
  CHECK(difficulty(rule_of(RowMeasure::uncertainty)) == doctest::Approx(2.246443031451).epsilon(1e-11));
  CHECK(difficulty(rule_of(RowMeasure::miss)) == doctest::Approx(0.730610518644).epsilon(1e-11));
  RowTemperature squared = rule_of(RowMeasure::unlikeness);
  squared.power = 2;
  CHECK(difficulty(squared) == doctest::Approx(0.231842658794 * 0.231842658794).epsilon(1e-10));
}

TEST_CASE("a masked class has no part in a difficulty, and a row with none left has the mean") {
  for (const RowMeasure measure : {RowMeasure::unlikeness, RowMeasure::uncertainty, RowMeasure::entropy}) {
    RowTemperature rule = rule_of(measure);
    rule.mean = 0.75;
    const Tensor out = at::full({1, 2}, -INFINITY, at::kDouble), in = at::full({1, 2}, 7.0, at::kDouble);
    const auto of = [&](const Tensor& student, const Tensor& teacher) {
      return row_difficulties(rule, student, teacher, {}).item<double>();
    };
    const double expected = difficulty(rule);
    CHECK(of(at::cat({kStudent, out}, 1), at::cat({kTeacher, in}, 1)) == doctest::Approx(expected).epsilon(1e-12));
    CHECK(of(at::cat({kStudent, in}, 1), at::cat({kTeacher, out}, 1)) == doctest::Approx(expected).epsilon(1e-12));
    CHECK(of(out, in) == 0.75);
  }
  CHECK(
      row_difficulties(rule_of(RowMeasure::miss), kStudent, kTeacher, at::tensor({-1}, at::kInt)).isnan().item<bool>());
}

TEST_CASE(
    "the first step is at the base; then harder rows are sharper or softer, around the mean of the steps before") {
  for (const Direction direction : {Direction::harder_sharper, Direction::harder_softer}) {
    const double sign = direction == Direction::harder_softer ? 1 : -1;
    const auto temperature = make_temperature(
        CwsmTemperature{{.base = 2.0, .strength = 0.5, .direction = direction, .min = 0.5, .max = 20, .memory = 0.75}});
    const Tensor easy_and_hard = rows_of({4, 0.5});
    check_values(step(*temperature, easy_and_hard), {2, 2});
    const double first = (cwsm(4) + cwsm(0.5)) / 2;
    check_values(step(*temperature, rows_of({1, 0})),
                 {2 + sign * 0.5 * (cwsm(1) - first), 2 + sign * 0.5 * (cwsm(0) - first)});
    const double second = 0.75 * first + 0.25 * (cwsm(1) + cwsm(0)) / 2;
    check_values(step(*temperature, rows_of({2})), {2 + sign * 0.5 * (cwsm(2) - second)});
  }
}

TEST_CASE("temperatures stay between min and max, whatever the strength: peers' flsw has no lower bound") {
  const auto temperature = make_temperature(
      FlswTemperature{{.base = 2.0, .strength = 1000, .direction = Direction::harder_sharper, .min = 0.5, .max = 8}});
  const Tensor teacher = rows_of({1, 1});
  temperature->begin_step({});
  temperature->of_rows(rows_of({1, -1}), teacher, {});
  temperature->after_step();
  temperature->begin_step({});
  check_values(temperature->of_rows(rows_of({1, -1}), teacher, {}).rows, {8, 0.5});
  const TemperatureReport report = temperature->report();
  CHECK(report.least == 0.5);
  CHECK(report.largest == 8);
  CHECK(report.mean == 4.25);
  CHECK(report.squared_factor == doctest::Approx((64 + 0.25) / 2));
  CHECK(report.plain_factor == 1);
}

TEST_CASE("the base follows its schedule") {
  const auto temperature = make_temperature(CwsmTemperature{{.base = schedule_of("4 -> 2 linear")}});
  check_values(step(*temperature, rows_of({1}), {}, {.step = 0, .steps = 4}), {4});
  CHECK(step(*temperature, rows_of({1}), {}, {.step = 2, .steps = 4}).item<double>() == doctest::Approx(3.0));
}

TEST_CASE("EA-KD as its paper has it: rows weighed by their entropies, at one temperature") {
  const auto temperature = make_temperature(EntropyTemperature{{.base = 3.0, .strength = 0}, 3.0, true});
  temperature->begin_step({});
  const Temperatures rows = temperature->of_rows(kStudent, kTeacher, {});
  check_values(rows.rows, {3});
  check_values(rows.weights, {1.541455947919});
  const double kl = kl_at(rows).item<double>();
  CHECK(sum_rows(kl_at(rows), rows, true).item<double>() == doctest::Approx(1.541455947919 * 9 * kl).epsilon(1e-7));
  CHECK(temperature->report().squared_factor == doctest::Approx(9 * 1.541455947919).epsilon(1e-7));
}

TEST_CASE("by class: rows of a class that was told badly differ from those of one told well") {
  const auto temperature = make_temperature(
      ClassTemperature{{.base = 3.0, .strength = 2, .direction = Direction::harder_softer, .memory = 0.5}});
  const auto miss = [](double log_odds) { return 1 - 1 / (1 + std::exp(-log_odds)); };  // of class 0
  const auto labels = [](std::vector<int> of) { return at::tensor(of, at::kInt); };
  check_values(step(*temperature, rows_of({1, 2, -1, 0}), labels({0, 0, 1, -1})), {3, 3, 3, 3});
  const double zero = (miss(1) + miss(2)) / 2, one = miss(1);
  const double mean = (zero + one) / 2;
  // A row without a label has the base, and class 1, absent from this step, keeps its difficulty.
  check_values(step(*temperature, rows_of({0, 0, 0}), labels({1, 0, -1})),
               {3 + 2 * (one - mean), 3 + 2 * (zero - mean), 3});
  const double later_zero = 0.5 * zero + 0.5 * miss(0), later_one = 0.5 * one + 0.5 * miss(0);
  const double later = (later_zero + later_one) / 2;
  check_values(step(*temperature, rows_of({5, 5}), labels({0, 1})),
               {3 + 2 * (later_zero - later), 3 + 2 * (later_one - later)});
}

TEST_CASE("losses take each row at its own temperature, times its square, and no gradient goes through it") {
  const Tensor student = at::cat({kStudent, kStudent.flip(1)}), teacher = at::cat({kTeacher, kTeacher});
  const std::vector<SoftLossConfig> losses{ForwardKlConfig{},
                                           ForwardKlConfig{.t_squared = false},
                                           ForwardKlConfig{.logits = {.standardise = true}},
                                           ForwardKlConfig{.logits = {.correct_teacher = TeacherCorrection::mft}},
                                           SoftCrossEntropyConfig{},
                                           ReverseKlConfig{},
                                           GeneralisedJsdConfig{.continuous = true},
                                           SkewKlConfig{},
                                           SkewReverseKlConfig{},
                                           TotalVariationConfig{},
                                           TaidConfig{},
                                           DecoupledKdConfig{}};
  for (const SoftLossConfig& config : losses) {
    const auto loss = make_loss(config);
    CAPTURE(loss->name());
    CHECK(one_temperature(config).empty());
    const auto sum_of = [&](const Tensor& own, const Tensor& other, const Temperatures& temperature) {
      Batch batch;
      batch.rows = {at::arange(own.size(0), at::kInt)};
      batch.labels = Classes{at::full({own.size(0)}, 3, at::kInt)};
      const Outputs outputs{.heads = {{.dense = own}}, .captured = {}};
      TeacherOutputs target;
      target.heads.push_back(Scores{.dense = other});
      return loss->sum({.student = {&outputs, 1},
                        .teachers = {&target, 1},
                        .batch = batch,
                        .temperature = temperature,
                        .progress = {}});
    };
    Temperatures own;
    own.rows = at::tensor({1.5, 4.0}, at::kDouble);
    const Tensor together = student.clone().requires_grad_(), apart = student.clone().requires_grad_();
    const Tensor sum = sum_of(together, teacher, own);
    Tensor expected = sum_of(apart.narrow(0, 0, 1), teacher.narrow(0, 0, 1), 1.5) * loss->factor(1.5) +
                      sum_of(apart.narrow(0, 1, 1), teacher.narrow(0, 1, 1), 4.0) * loss->factor(4.0);
    CHECK(sum.item<double>() == doctest::Approx(expected.item<double>()).epsilon(1e-12));
    sum.backward();
    expected.backward();
    CHECK((together.grad() - apart.grad()).abs().max().item<double>() < 1e-12);
  }
}

TEST_CASE("in a pool each example's classes are softened at its own temperature, and its loss has its own weight") {
  const Tensor student = at::cat({kStudent, kStudent.flip(1)}), teacher = at::cat({kTeacher, kTeacher * 2});
  const auto loss = make_loss(ContrastiveConfig{.contrast_temperature = 0.5});
  Batch batch;
  batch.rows = {at::arange(2, at::kInt)}, batch.pools = {0, 2};
  const auto sum_of = [&](const Tensor& own, const Tensor& other, const Temperatures& temperature) {
    const Outputs outputs{.heads = {{.dense = own}}, .captured = {}};
    TeacherOutputs target;
    target.heads.push_back(Scores{.dense = other});
    return loss
        ->sum({.student = {&outputs, 1},
               .teachers = {&target, 1},
               .batch = batch,
               .temperature = temperature,
               .progress = {}})
        .item<double>();
  };
  Temperatures own;
  own.rows = at::tensor({1.5, 4.0}, at::kDouble);
  const Tensor divided = own.rows.unsqueeze(-1);
  CHECK(sum_of(student, teacher, own) ==
        doctest::Approx(sum_of(student / divided, teacher / divided, 1)).epsilon(1e-12));
  const double both = sum_of(student, teacher, own);
  own.weights = at::tensor({1.0, 0.0}, at::kDouble);
  const double first = sum_of(student, teacher, own);
  own.weights = at::tensor({0.0, 1.0}, at::kDouble);
  CHECK(first > 0);
  CHECK(first + sum_of(student, teacher, own) == doctest::Approx(both).epsilon(1e-12));
}

TEST_CASE("a learned temperature climbs the loss while the student descends it: the sign that a port lost") {
  const LearnedTemperature config{
      .min = 1, .max = 21, .start = 1, .rate = 0.5, .reversal = schedule_of("0 -> 1 cosine")};
  const auto loss_at = [&](double theta) {  // T^2 KL at theta
    const double t = 1 + 20 / (1 + std::exp(-theta));
    return t * t * kl_at(t).item<double>();
  };
  const auto temperature = make_temperature(config);
  const auto theta_after = [&](Progress progress) {
    temperature->begin_step(progress);
    const Temperatures rows = temperature->of_rows(kStudent, kTeacher, {});
    sum_rows(kl_at(rows), rows, true).backward();
    temperature->after_step();
    return temperature->state().at("theta").item<double>();
  };
  CHECK(temperature->base() == doctest::Approx(1 + 20 / (1 + std::exp(-1.0))));
  CHECK(theta_after({.step = 0, .steps = 4}) == 1.0);  // nothing of the gradient arrives yet
  const double theta = theta_after({.step = 2, .steps = 4});
  const double slope = (loss_at(1 + 1e-5) - loss_at(1 - 1e-5)) / 2e-5;
  CHECK(theta == doctest::Approx(1 + 0.5 * 0.5 * slope).epsilon(1e-8));
  CHECK(loss_at(theta) > loss_at(1));
}

TEST_CASE("what is saved goes on with the same bits") {
  const Tensor labels = at::tensor({0, 1, 1}, at::kInt);
  const std::vector<TemperatureConfig> kinds{FlswTemperature{}, CwsmTemperature{}, EntropyTemperature{},
                                             ClassTemperature{}};
  for (const TemperatureConfig& config : kinds) {
    const auto whole = make_temperature(config), second = make_temperature(config);
    for (int i = 0; i < 3; ++i) step(*whole, rows_of({1.0 + i, -2, 0.25 * i}), labels);
    State saved;
    for (const auto& [name, tensor] : whole->state()) saved.emplace(name, tensor.clone());
    CHECK_FALSE(saved.empty());
    second->restore(saved);
    const Tensor next = rows_of({0.5, -0.5, 3});
    CHECK(at::equal(step(*whole, next, labels), step(*second, next, labels)));
    CHECK(at::equal(step(*whole, next, labels), step(*second, next, labels)));
    CHECK_THROWS_WITH_AS(second->restore({{"other", labels}}), doctest::Contains("the state of the temperature lacks"),
                         Error);
  }
  CHECK(make_temperature(ScheduledTemperature{})->state().empty());
}

TEST_CASE("a step that is not applied leaves no trace") {
  const auto temperature = make_temperature(CwsmTemperature{});
  step(*temperature, rows_of({4, 0.5}));
  temperature->begin_step({});
  temperature->of_rows(rows_of({100, 100}), at::zeros({2, 2}, at::kDouble), {});
  const auto other = make_temperature(CwsmTemperature{});
  step(*other, rows_of({4, 0.5}));
  CHECK(at::equal(step(*temperature, rows_of({1})), step(*other, rows_of({1}))));
}
