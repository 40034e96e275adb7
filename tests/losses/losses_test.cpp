// Golden values: computed in float64 by an independent implementation (numpy) from z_T = [2, 1, 0, -1, .5],
// z_S = [1, 1.5, -.5, 0, .25], y = 0. Gradients: central differences in float64.
#include <array>
#include <cmath>

#include "core/base/error.h"
#include "losses/expert_balance.h"
#include "losses/loss.h"
#include "tests/losses/row_sample.h"

using namespace dsd;
using namespace dsd::sample;

namespace {

const Tensor kTeacher = golden_teacher();
const Tensor kStudent = golden_student();

}  // namespace

TEST_CASE("forward KL has the golden values") {
  const auto loss = make_loss(SoftLossConfig{ForwardKlConfig{}});
  const Batch batch = batch_of(1, std::monostate{});
  CHECK(evaluate(*loss, kStudent, kTeacher, batch, 1).item<double>() == doctest::Approx(0.238092281379).epsilon(1e-11));
  const double at_two = evaluate(*loss, kStudent, kTeacher, batch, 2).item<double>() * loss->factor(2);
  CHECK(at_two == doctest::Approx(0.247923457499).epsilon(1e-11));
  CHECK(evaluate(*loss, kTeacher, kTeacher, batch, 3).item<double>() == doctest::Approx(0.0));
  CHECK(make_loss(SoftLossConfig{ForwardKlConfig{.t_squared = false}})->factor(4) == 1.0);
}

TEST_CASE("forward KL is finite where both sides mask a class") {
  const auto loss = make_loss(SoftLossConfig{ForwardKlConfig{}});
  Tensor teacher = kTeacher.clone(), student = kStudent.clone();
  const Batch batch = batch_of(1, std::monostate{});
  const double rest = evaluate(*loss, student.narrow(1, 0, 4), teacher.narrow(1, 0, 4), batch, 1).item<double>();
  teacher[0][4] = student[0][4] = -INFINITY;
  CHECK(evaluate(*loss, student, teacher, batch, 1).item<double>() == doctest::Approx(rest).epsilon(1e-12));
}

TEST_CASE("cross-entropy has the golden value and skips rows without a label") {
  const auto loss = make_loss(HardLossConfig{CrossEntropyConfig{}});
  CHECK(evaluate(*loss, kStudent, {}, batch_of(1, classes({0})), 1).item<double>() ==
        doctest::Approx(1.311597060474).epsilon(1e-11));
  const Tensor two = at::cat({kStudent, kTeacher});
  const Batch half = batch_of(2, classes({0, -1}));
  CHECK(loss->count(half) == 1);
  CHECK(evaluate(*loss, two, {}, half, 1).item<double>() == doctest::Approx(1.311597060474).epsilon(1e-11));
  CHECK(loss->count(batch_of(1, std::monostate{})) == 0);
}

TEST_CASE("label smoothing mixes in the mean over classes") {
  const auto plain = make_loss(HardLossConfig{CrossEntropyConfig{}});
  const auto smooth = make_loss(HardLossConfig{CrossEntropyConfig{.label_smoothing = 0.1}});
  double mean = 0;
  for (int c = 0; c < 5; ++c) mean += evaluate(*plain, kStudent, {}, batch_of(1, classes({c})), 1).item<double>() / 5;
  const Batch batch = batch_of(1, classes({0}));
  const double expected = 0.9 * evaluate(*plain, kStudent, {}, batch, 1).item<double>() + 0.1 * mean;
  CHECK(evaluate(*smooth, kStudent, {}, batch, 1).item<double>() == doctest::Approx(expected).epsilon(1e-12));
}

TEST_CASE("mean squared error: closed forms") {
  const auto logits = make_loss(SoftLossConfig{LogitMeanSquaredErrorConfig{}});
  const double expected = (1.0 + 0.25 + 0.25 + 1.0 + 0.0625) / 5;
  CHECK(evaluate(*logits, kStudent, kTeacher, batch_of(1, std::monostate{}), 9).item<double>() ==
        doctest::Approx(expected));
  const auto values = make_loss(HardLossConfig{MeanSquaredErrorConfig{}});
  const Batch batch = batch_of(3, Values{at::tensor({1.0f, NAN, 4.0f})});
  CHECK(values->count(batch) == 2);
  const Tensor outputs = at::tensor({3.0, 100.0, 3.5}, at::kDouble).unsqueeze(-1);
  CHECK(evaluate(*values, outputs, {}, batch, 1).item<double>() == doctest::Approx(4.25));
}

TEST_CASE("an annealed target is the teacher's logits, scaled") {
  const auto loss = make_loss(SoftLossConfig{LogitMeanSquaredErrorConfig{.teacher_scale = 0.25}});
  const auto plain = make_loss(SoftLossConfig{LogitMeanSquaredErrorConfig{}});
  const Batch batch = batch_of(1, std::monostate{});
  const double expected = evaluate(*plain, kStudent, 0.25 * kTeacher, batch, 1).item<double>();
  CHECK(evaluate(*loss, kStudent, kTeacher, batch, 1).item<double>() == doctest::Approx(expected).epsilon(1e-12));
}

TEST_CASE("every loss agrees with central differences") {
  const Tensor student = at::cat({kStudent, kTeacher * 0.5 + 0.1}), teacher = at::cat({kTeacher, kStudent});
  const Batch batch = batch_of(2, classes({3, -1}));
  for (const double temperature : {1.0, 2.5}) {
    check_gradient(*make_loss(SoftLossConfig{ForwardKlConfig{}}), student, teacher, batch, temperature);
    check_gradient(*make_loss(SoftLossConfig{LogitMeanSquaredErrorConfig{}}), student, teacher, batch, temperature);
    check_gradient(*make_loss(HardLossConfig{CrossEntropyConfig{.label_smoothing = 0.2}}), student, {}, batch,
                   temperature);
  }
  const Batch values = batch_of(2, Values{at::tensor({0.5f, NAN})});
  check_gradient(*make_loss(HardLossConfig{MeanSquaredErrorConfig{}}),
                 at::tensor({1.0, 2.0}, at::kDouble).unsqueeze(-1), {}, values, 1);
}

TEST_CASE("a sum over a cut batch is the sum of the cuts") {
  const Tensor student = at::randn({7, 5}, at::kDouble), teacher = at::randn({7, 5}, at::kDouble);
  const std::vector<int> labels{0, 1, -1, 4, 2, 2, 3};
  const auto whole = batch_of(7, classes(labels));
  const auto part = [&](int from, int to) {
    return batch_of(to - from, classes({labels.begin() + from, labels.begin() + to}));
  };
  const std::array<std::unique_ptr<Loss>, 2> losses{make_loss(SoftLossConfig{ForwardKlConfig{}}),
                                                    make_loss(HardLossConfig{CrossEntropyConfig{}})};
  for (const auto& loss : losses) {
    const double together = evaluate(*loss, student, teacher, whole, 2).item<double>();
    double apart = 0, count = 0;
    for (const auto& [from, to] : {std::pair{0, 1}, {1, 5}, {5, 7}}) {
      apart +=
          evaluate(*loss, student.slice(0, from, to), teacher.slice(0, from, to), part(from, to), 2).item<double>();
      count += loss->count(part(from, to));
    }
    CHECK(apart == doctest::Approx(together).epsilon(1e-13));
    CHECK(count == loss->count(whole));
  }
}

TEST_CASE("scores of different shapes are refused") {
  const auto loss = make_loss(SoftLossConfig{ForwardKlConfig{}});
  CHECK_THROWS_AS(evaluate(*loss, kStudent, kTeacher.narrow(1, 0, 3), batch_of(1, std::monostate{}), 1), Error);
}

namespace {

// Rows of `lengths` sequences, from row `first` on, of a routing over `experts`.
double balance_sum(const Tensor& logits, const Tensor& chosen, const std::vector<int>& lengths, std::int64_t first) {
  std::vector<int> offsets{0};
  for (const int length : lengths) offsets.push_back(offsets.back() + length);
  const std::int64_t rows = offsets.back();
  Batch batch;
  batch.streams.push_back({.ids = at::zeros({rows}, at::kInt), .offsets = at::tensor(offsets, at::kInt)});
  const Outputs outputs{.routing = {{.probabilities = at::softmax(logits.narrow(0, first, rows), 1),
                                     .chosen = chosen.narrow(0, first, rows)}}};
  return ExpertBalance().sum({.student = {&outputs, 1}, .batch = batch}).item<double>();
}

}  // namespace

TEST_CASE("balance of experts: 1 where choices are even, E where all fall to a sure one, by hand between") {
  const Tensor even = at::zeros({4, 4}, at::kDouble);
  CHECK(balance_sum(even, at::tensor({0, 1, 2, 3}, at::kInt).view({4, 1}), {4}, 0) / 4 == doctest::Approx(1));
  CHECK(balance_sum(even, at::tensor({0, 1, 2, 3, 0, 1, 2, 3}, at::kInt).view({4, 2}), {4}, 0) / 4 ==
        doctest::Approx(1));
  const Tensor sure = at::tensor({100.0, 0.0, 0.0}, at::kDouble).expand({5, 3});
  CHECK(balance_sum(sure, at::zeros({5, 1}, at::kInt), {5}, 0) / 5 == doctest::Approx(3));
  // p = (1/2, 1/4, 1/4) and (1/4, 1/2, 1/4), top-2 (0, 1) and (1, 2): shares 1/4, 1/2, 1/4; means 3/8, 3/8, 1/4.
  const Tensor two = at::tensor({0.5, 0.25, 0.25, 0.25, 0.5, 0.25}, at::kDouble).view({2, 3}).log();
  const Tensor chosen = at::tensor({0, 1, 1, 2}, at::kInt).view({2, 2});
  CHECK(balance_sum(two, chosen, {2}, 0) / 2 == doctest::Approx(3 * (3.0 / 32 + 3.0 / 16 + 1.0 / 16)));
}

TEST_CASE("balance of experts: a batch cut between sequences adds up, and an empty sequence has no part") {
  const Tensor logits = at::randn({12, 5}, at::kDouble);
  const Tensor chosen = std::get<1>(logits.topk(2, 1)).to(at::kInt);
  const double whole = balance_sum(logits, chosen, {3, 0, 5, 4}, 0);
  const double cut = balance_sum(logits, chosen, {3}, 0) + balance_sum(logits, chosen, {5, 4}, 3);
  CHECK(whole == doctest::Approx(cut).epsilon(1e-12));
  CHECK(whole != doctest::Approx(balance_sum(logits, chosen, {12}, 0)).epsilon(1e-6));
}
