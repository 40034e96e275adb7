#include "core/train/optimiser.h"

#include <ATen/ops/_fused_adamw.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include <unistd.h>

#include "core/base/error.h"
#include "core/train/gradient_norm.h"
#include "tests/train_parts/samples.h"

#include "tests/check.h"

using namespace dsd;

namespace {

constexpr AdamWSettings kSettings{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01};
constexpr double kClip = 8;

// Warm-up and a linear fall over 500 steps.
double lr_at(std::int64_t step) {
  return 1e-3 * std::min(static_cast<double>(step + 1) / 50, 1 - static_cast<double>(step) / 500);
}

// Large in every third step, so that some steps are clipped.
double size_at(std::int64_t step) { return step % 3 == 0 ? 2 : 0.3; }

void train_step(SampleModel& model, AdamW& optimiser, std::int64_t step) {
  optimiser.prepare(batch_of(rows_of(step)));
  model.add_gradients(step, rows_of(step), size_at(step));
  optimiser.step(lr_at(step), optimiser.gradient_norm(), kClip);
}

void check_same(SampleModel& a, SampleModel& b) {
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    INFO(a.parameters[i].name);
    CHECK(same_bits(a.parameters[i].weight->master, b.parameters[i].weight->master));
    if (a.parameters[i].weight->shadow.defined())
      CHECK(same_bits(a.parameters[i].weight->shadow, b.parameters[i].weight->shadow));
  }
}

SafetensorsFile as_file(const std::vector<TensorToWrite>& tensors) {
  auto bytes = std::make_shared<std::string>();
  write_safetensors([&](std::string_view piece) { bytes->append(piece); }, tensors, {});
  return SafetensorsFile::parse(std::as_bytes(std::span(*bytes)), "state", bytes);
}

// AdamW as its paper states it (Loshchilov & Hutter 2019, algorithm 2), in double.
struct Paper {
  Tensor value, mean, square;
  double decay;

  Paper(const Weight& weight, bool decays)
      : value(weight.master.to(at::kDouble)),
        mean(at::zeros_like(value)),
        square(at::zeros_like(value)),
        decay(decays ? kSettings.weight_decay : 0) {}

  void step(const Tensor& gradient, double lr, std::int64_t t) {
    value = value * (1 - lr * decay);
    mean = kSettings.beta1 * mean + (1 - kSettings.beta1) * gradient;
    square = kSettings.beta2 * square + (1 - kSettings.beta2) * gradient * gradient;
    const Tensor mean_hat = mean / (1 - std::pow(kSettings.beta1, static_cast<double>(t)));
    const Tensor square_hat = square / (1 - std::pow(kSettings.beta2, static_cast<double>(t)));
    value = value - lr * mean_hat / (square_hat.sqrt() + kSettings.epsilon);
  }
};

std::int64_t resident_bytes() {
  std::int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

TEST_CASE("500 steps with deferred rows: the dense bits, and the paper's values within 1e-6") {
  SampleModel sparse(true), dense(false);
  std::vector<Paper> paper;
  for (const Parameter& parameter : dense.parameters) paper.emplace_back(*parameter.weight, parameter.decays);
  AdamW by_rows(sparse.parameters, kSettings), whole(dense.parameters, kSettings);
  double largest = 0;
  int clipped = 0;
  for (std::int64_t step = 0; step < 500; ++step) {
    dense.add_gradients(step, rows_of(step), size_at(step));
    double squares = 0;
    for (const Parameter& parameter : dense.parameters)
      squares += parameter.weight->master.grad().to(at::kDouble).square().sum().item<double>();
    const double norm = std::sqrt(squares), scale = std::min(1.0, kClip / (norm + 1e-6));
    clipped += scale < 1;
    CHECK(whole.gradient_norm() == doctest::Approx(norm).epsilon(1e-12));
    for (std::size_t i = 0; i < paper.size(); ++i)
      paper[i].step(dense.parameters[i].weight->master.grad().to(at::kDouble) * scale, lr_at(step), step + 1);
    whole.step(lr_at(step), whole.gradient_norm(), kClip);
    train_step(sparse, by_rows, step);

    // What the step read is the dense row already.
    by_rows.prepare(batch_of(rows_of(step + 1)));
    for (const std::int32_t row : rows_of(step + 1))
      CHECK(same_bits(sparse.table.master[row], dense.table.master[row]));
  }
  CHECK(clipped > 100);
  CHECK(clipped < 400);
  by_rows.flush();
  check_same(sparse, dense);
  for (std::size_t i = 0; i < paper.size(); ++i) {
    const Tensor& value = dense.parameters[i].weight->master;
    largest = std::max(largest, (value.to(at::kDouble) - paper[i].value).abs().max().item<double>());
  }
  CHECK(largest < 1e-6);
  CHECK(same_bits(dense.table.shadow, dense.table.master.to(at::kBFloat16)));
  CHECK(by_rows.steps() == 500);
}

TEST_CASE("a dense parameter moves as LibTorch's fused AdamW moves it") {
  SampleModel model(false, false);
  const Tensor value = model.dense.master.clone(), mean = at::zeros_like(value), square = at::zeros_like(value);
  const Tensor largest, steps = at::zeros({}, at::kFloat);
  AdamW optimiser(model.parameters, kSettings);
  for (std::int64_t step = 0; step < 100; ++step) {
    model.add_gradients(step, {}, 1);
    const Tensor gradient = model.dense.master.grad().clone();
    steps.add_(1);
    at::_fused_adamw_({value}, {gradient}, {mean}, {square}, {}, {steps}, lr_at(step), kSettings.beta1, kSettings.beta2,
                      kSettings.weight_decay, kSettings.epsilon, /*amsgrad=*/false, /*maximize=*/false);
    optimiser.step(lr_at(step), optimiser.gradient_norm(), {});
  }
  CHECK((model.dense.master - value).abs().max().item<float>() < 1e-6f);
}

TEST_CASE("flushing changes no bit, however often it is done") {
  SampleModel seldom(true), often(true);
  AdamW one(seldom.parameters, kSettings), other(often.parameters, kSettings);
  for (std::int64_t step = 0; step < 60; ++step) {
    train_step(seldom, one, step);
    if (step % 7 == 0) other.flush();
    other.prepare(batch_of(rows_of(step)));
    if (step % 5 == 0) other.flush();  // between the forward and the step, too
    often.add_gradients(step, rows_of(step), size_at(step));
    other.step(lr_at(step), other.gradient_norm(), kClip);
    if (step % 11 == 0) other.flush();
  }
  one.flush();
  other.flush();
  check_same(seldom, often);
}

TEST_CASE("a state that is saved and restored goes on with the same bits") {
  SampleModel whole(true), first(true), second(true);
  AdamW uninterrupted(whole.parameters, kSettings), before(first.parameters, kSettings);
  for (std::int64_t step = 0; step < 40; ++step) train_step(whole, uninterrupted, step);
  for (std::int64_t step = 0; step < 25; ++step) train_step(first, before, step);
  const SafetensorsFile state = as_file(before.state());
  CHECK(state.find("table.rows")->shape[0] < 41);  // what was never read takes no place

  AdamW after(second.parameters, kSettings);
  for (std::int64_t step = 0; step < 3; ++step) train_step(second, after, 90 + step);  // forgotten again
  second.add_gradients(99, {1}, 1);
  for (std::size_t i = 0; i < first.parameters.size(); ++i)
    second.parameters[i].weight->master.copy_(first.parameters[i].weight->master);
  after.restore(state);
  CHECK(after.steps() == 25);
  for (std::int64_t step = 25; step < 40; ++step) train_step(second, after, step);
  uninterrupted.flush();
  after.flush();
  check_same(whole, second);
}

TEST_CASE("a state of another model is refused by the tensor's name") {
  SampleModel model(true), other(false);
  AdamW optimiser(model.parameters, kSettings), unlike(other.parameters, kSettings);
  CHECK_THROWS_WITH(optimiser.restore(as_file(unlike.state())),
                    "state: tensor 'table.rows' is missing, or not I32 of one dimension");
  const std::int32_t beyond = SampleModel::kRows;
  const std::vector<float> row(SampleModel::kWidth);
  const std::int64_t steps = 1;
  const std::vector<TensorInfo> tensors{
      {"steps", Dtype::i64, {}, std::as_bytes(std::span(&steps, 1))},
      {"table.rows", Dtype::i32, {1}, std::as_bytes(std::span(&beyond, 1))},
      {"table.mean", Dtype::f32, {1, SampleModel::kWidth}, std::as_bytes(std::span(row))},
      {"table.square", Dtype::f32, {1, SampleModel::kWidth}, std::as_bytes(std::span(row))}};
  CHECK_THROWS_WITH(optimiser.restore(as_file(to_write(tensors))), "state: tensor 'table.rows' names row 50 of 50");
}

TEST_CASE("a skipped step changes nothing and does not count") {
  SampleModel skipping(true), plain(true);
  AdamW one(skipping.parameters, kSettings), other(plain.parameters, kSettings);
  for (std::int64_t step = 0; step < 20; ++step) {
    if (step % 4 == 1) {
      one.prepare(batch_of({3, 4, 3}));
      skipping.add_gradients(1000 + step, {3, 4}, std::numeric_limits<double>::quiet_NaN());
      CHECK_FALSE(std::isfinite(one.gradient_norm()));
      one.skip();
      CHECK(one.gradient_norm() == 0);
    }
    train_step(skipping, one, step);
    train_step(plain, other, step);
  }
  one.flush();
  other.flush();
  check_same(skipping, plain);
}

TEST_CASE("a gradient of a row that was read too early is an error, not a wrong step") {
  SampleModel model(true);
  AdamW optimiser(model.parameters, kSettings);
  for (std::int64_t step = 0; step < 3; ++step) train_step(model, optimiser, step);
  std::int32_t never = 49;
  model.add_gradients(3, {never}, 1);
  CHECK_THROWS_AS(optimiser.step(1e-3, 1, {}), Error);
}

TEST_CASE("the gradient's norm: closed form, odd sizes, both kinds of gradient") {
  std::vector<Tensor> gradients{at::full({100'003}, 2.0f), at::full({3}, -1.0f), at::zeros({0})};
  CHECK(norm_of(gradients) == doctest::Approx(std::sqrt(4.0 * 100'003 + 3)).epsilon(1e-15));
  gradients.push_back(at::full({1}, 1e30f));  // its square is beyond fp32
  CHECK(norm_of(gradients) == doctest::Approx(1e30));
  CHECK(norm_of({}) == 0);
}

TEST_CASE("moments of rows that never had a gradient take no memory, after a flush either") {
  constexpr std::int64_t kRows = 200'000, kWidth = 64;  // 51 MB of means, and of squares
  Weight table{.master = at::ones({kRows, kWidth})};
  table.row_gradient = std::make_shared<RowGradient>();
  const std::vector<Parameter> parameters{{"table", &table}};
  const std::int64_t before = resident_bytes();
  AdamW optimiser(parameters, kSettings);
  for (int step = 0; step < 3; ++step) {
    optimiser.prepare(batch_of({5, 70'000}));
    RowGradient& gradient = *table.row_gradient;
    gradient.rows = {5, 70'000};
    gradient.slot[5] = 0;
    gradient.slot[70'000] = 1;
    gradient.values = at::ones({2, kWidth});
    optimiser.step(1e-2, 1, {});
  }
  optimiser.flush();
  CHECK(resident_bytes() - before < 20'000'000);
  float untouched = 1;
  for (int step = 0; step < 3; ++step) untouched *= static_cast<float>(1 - 1e-2 * kSettings.weight_decay);
  CHECK(table.master[123'456][7].item<float>() == untouched);
}

TEST_CASE("a parameter's factor on the learning rate is that of a run with that rate") {
  SampleModel own(false), fast(false);
  own.parameters[1].lr_factor = 4;
  AdamW optimiser(own.parameters, kSettings), other(fast.parameters, kSettings);
  for (std::int64_t step = 0; step < 5; ++step) {
    for (SampleModel* model : {&own, &fast}) model->add_gradients(step, rows_of(step), 1);
    optimiser.step(0.5e-3, optimiser.gradient_norm(), std::nullopt);
    other.step(2e-3, other.gradient_norm(), std::nullopt);
  }
  CHECK(same_bits(own.dense.master, fast.dense.master));
  CHECK_FALSE(same_bits(own.table.master, fast.table.master));
  SampleModel sparse(true);
  sparse.parameters[0].lr_factor = 2;
  CHECK_THROWS_WITH_AS(AdamW(sparse.parameters, kSettings), doctest::Contains("takes the learning rate as it is"),
                       Error);
}
