// The objective over a head of a vocabulary: all row losses in one walk, equal to those on dense scores, whatever the
// cut of the batch.
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/recipe/load.h"
#include "core/train/objective.h"
#include "tests/check.h"

using namespace dsd;

namespace {

constexpr std::int64_t kRows = 9, kClasses = 40, kHidden = 6;

LossesConfig resolved_losses(std::string_view extra) {
  const auto text = fmt::format("task: sst2\ndata: {{root: x}}\nteacher: {{path: t}}\nlosses: {{{}}}\n", extra);
  return resolved(parse_recipe(text, "test")).losses;
}

Tensor numbers(std::vector<std::int64_t> shape, std::uint64_t seed) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return at::tensor(normal_numbers(count, 1, {.seed = seed, .purpose = Purpose::weights}), at::kFloat).view(shape);
}

struct Model {
  Weight student, teacher;
  Tensor student_hidden, teacher_hidden;
  std::vector<int> labels{0, 33, -1, 2, 1, -1, 39, 0, 3};

  // `padding` rows of weight beyond the classes.
  explicit Model(at::ScalarType type, std::int64_t padding = 0) {
    const auto padded = [&](std::int64_t width, std::uint64_t seed, double filler) {
      return at::cat({numbers({kClasses, width}, seed), at::full({padding, width}, filler)}).to(type);
    };
    student.master = padded(kHidden, 1, 7).requires_grad_();
    teacher.master = padded(kHidden + 2, 2, -9);
    student_hidden = numbers({kRows, kHidden}, 3).to(type).requires_grad_();
    teacher_hidden = numbers({kRows, kHidden + 2}, 4).to(type);
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  Batch batch(std::int64_t from, std::int64_t to) const {
    Batch batch;
    batch.rows = {at::arange(to - from, at::kInt)};
    batch.labels = Classes{at::tensor(std::vector<int>(labels.begin() + from, labels.begin() + to), at::kInt)};
    return batch;
  }
};

struct Result {
  Tensor hidden, weight;
  double value = 0;
  std::vector<PartReport> parts;
  TemperatureReport temperature;
};

Scores scores_of(const Tensor& hidden, const Weight& weight, bool dense) {
  if (dense) return {.dense = at::linear(hidden, weight.master.narrow(0, 0, kClasses))};
  return {.hidden = hidden, .weight = &weight, .classes = kClasses};
}

// The last of so many steps, all of which see the same rows.
Result run(const LossesConfig& losses, Model& model, const std::vector<std::int64_t>& cuts, bool dense, int steps = 1) {
  Objective objective(losses, true);
  std::vector<Batch> batches;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) batches.push_back(model.batch(cuts[i], cuts[i + 1]));
  Result result;
  for (int step = 0; step < steps; ++step) {
    model.student.master.mutable_grad() = at::zeros_like(model.student.master);
    model.student_hidden.mutable_grad() = at::zeros_like(model.student_hidden);
    objective.begin_step(batches, {});
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const Outputs outputs{
          .heads = {scores_of(model.student_hidden.slice(0, cuts[i], cuts[i + 1]), model.student, dense)},
          .captured = {}};
      TeacherOutputs teacher;
      teacher.heads.push_back(scores_of(model.teacher_hidden.slice(0, cuts[i], cuts[i + 1]), model.teacher, dense));
      if (const Tensor part = objective.add({&outputs, 1}, {&teacher, 1}, batches[i]); part.defined()) part.backward();
    }
    result.value = objective.finish_step(&result.parts);
    result.temperature = objective.temperature();
    objective.after_step();
  }
  result.hidden = model.student_hidden.grad().clone();
  result.weight = model.student.master.grad().narrow(0, 0, kClasses).clone();
  return result;
}

double relative(const Tensor& got, const Tensor& expected) {
  return ((got - expected).abs().max() / expected.abs().max()).item<double>();
}

void check_equal(const Result& got, const Result& expected, double bound) {
  CHECK(got.value == doctest::Approx(expected.value).epsilon(bound));
  CHECK(relative(got.hidden, expected.hidden) < bound);
  CHECK(relative(got.weight, expected.weight) < bound);
  REQUIRE(got.parts.size() == expected.parts.size());
  for (std::size_t i = 0; i < got.parts.size(); ++i) {
    CHECK(got.parts[i].name == expected.parts[i].name);
    CHECK(got.parts[i].raw == doctest::Approx(expected.parts[i].raw).epsilon(bound));
    CHECK(got.parts[i].factor == doctest::Approx(expected.parts[i].factor).epsilon(bound));
    CHECK(got.parts[i].weight == expected.parts[i].weight);
    CHECK(got.parts[i].share == doctest::Approx(expected.parts[i].share).epsilon(bound));
  }
}

// Temperatures whose inverse is exact in fp32, as the kernel holds it.
const std::vector<std::string_view> kRecipes{
    "temperature: 2.0",
    "temperature: 4.0, soft: {kind: reverse_kl}, hard: {kind: cross_entropy, label_smoothing: 0.125}",
    "temperature: 2.0, soft: {kind: generalised_jsd, teacher_share: 0.125}, tile_rows: 2",
    "temperature: 1.0, soft: {kind: generalised_jsd, teacher_share: 0.75, continuous: true, t_squared: false}",
    "temperature: 2.0, soft: {kind: soft_cross_entropy}",
    "temperature: 2.0, soft: {kind: skew_kl, teacher_share: 0.125}",
    "temperature: 4.0, soft: {kind: skew_reverse_kl, teacher_share: 0.875}, tile_rows: 2",
    "temperature: 2.0, soft: {kind: total_variation}",
    "temperature: 2.0, soft: {kind: taid, from: 0.5}"};

// Rows' own temperatures; the second step knows the mean of the first.
const std::vector<std::string_view> kAdaptive{
    "temperature: {kind: flsw, base: 3, strength: 2}, tile_rows: 2",
    "temperature: {kind: cwsm, direction: harder_softer}, soft: {kind: reverse_kl}",
    "temperature: {kind: entropy, reweigh: true, strength: 0.5}",
    "temperature: {kind: entropy, min: 1, max: 3}, soft: {kind: generalised_jsd, t_squared: false}",
    "temperature: {kind: cwsm, strength: 2}, soft: {kind: taid, from: 0.5}",
    "temperature: {kind: flsw, strength: 2}, soft: {kind: skew_kl, teacher_share: 0.125}",
    "temperature: {kind: cwsm, strength: 2}, soft: {kind: skew_reverse_kl, teacher_share: 0.875}",
    "temperature: {kind: flsw, strength: 2}, soft: {kind: total_variation}",
    "temperature: {kind: cwsm, strength: 2}, soft: {kind: soft_cross_entropy}, tile_rows: 2",
    "temperature: {kind: class_difficulty, strength: 4}, hard_weight: 0"};

}  // namespace

TEST_CASE("over a vocabulary the parts and gradients are those of dense scores") {
  for (const auto recipe : kRecipes) {
    const LossesConfig losses = resolved_losses(recipe);
    Model exact(at::kDouble), fast(at::kFloat);
    const Result dense = run(losses, exact, {0, kRows}, true);
    check_equal(run(losses, exact, {0, kRows}, false), dense, 1e-6);
    const Result walk = run(losses, fast, {0, kRows}, false);
    CHECK(walk.value == doctest::Approx(dense.value).epsilon(1e-5));
    CHECK(relative(walk.hidden.to(at::kDouble), dense.hidden) < 1e-5);
    CHECK(relative(walk.weight.to(at::kDouble), dense.weight) < 1e-5);
    for (std::size_t i = 0; i < walk.parts.size(); ++i)
      CHECK(walk.parts[i].raw == doctest::Approx(dense.parts[i].raw).epsilon(1e-5));
  }
}

TEST_CASE("cutting a step over a vocabulary changes nothing but rounding") {
  const std::vector<std::vector<std::int64_t>> all_cuts{
      {0, 4, kRows}, {0, 1, 2, 3, 4, 5, 6, 7, 8, kRows}, {0, 2, 3, 5, 6, kRows}};
  for (const auto recipe : kRecipes) {
    const LossesConfig losses = resolved_losses(recipe);
    Model exact(at::kDouble), fast(at::kFloat);
    const Result whole = run(losses, exact, {0, kRows}, false), quick = run(losses, fast, {0, kRows}, false);
    for (const auto& cuts : all_cuts) {
      check_equal(run(losses, exact, cuts, false), whole, 1e-12);
      check_equal(run(losses, fast, cuts, false), quick, 2e-6);
    }
  }
}

TEST_CASE("temperatures of rows' own: the walk has those of dense scores, and no cut changes them") {
  for (const auto recipe : kAdaptive) {
    CAPTURE(recipe);
    const LossesConfig losses = resolved_losses(recipe);
    Model exact(at::kDouble), fast(at::kFloat);
    const Result dense = run(losses, exact, {0, kRows}, true, 2);
    CHECK(dense.temperature.least < dense.temperature.largest);
    check_equal(run(losses, exact, {0, kRows}, false, 2), dense, 1e-6);
    const Result walk = run(losses, fast, {0, kRows}, false, 2);
    CHECK(walk.value == doctest::Approx(dense.value).epsilon(2e-5));
    CHECK(walk.temperature.mean == doctest::Approx(dense.temperature.mean).epsilon(1e-5));
    CHECK(walk.temperature.least == doctest::Approx(dense.temperature.least).epsilon(1e-5));
    CHECK(walk.temperature.largest == doctest::Approx(dense.temperature.largest).epsilon(1e-5));
    CHECK(relative(walk.hidden.to(at::kDouble), dense.hidden) < 2e-5);
    CHECK(relative(walk.weight.to(at::kDouble), dense.weight) < 2e-5);
    for (const bool lazy : {false, true}) {
      const Result whole = run(losses, exact, {0, kRows}, !lazy, 3);
      check_equal(run(losses, exact, {0, 1, 4, 5, kRows}, !lazy, 3), whole, lazy ? 1e-6 : 1e-12);
    }
  }
}

TEST_CASE("padding of a vocabulary counts for nothing") {
  const LossesConfig losses = resolved_losses(kRecipes[1]);
  Model plain(at::kDouble), padded(at::kDouble, 24), quick(at::kFloat), quick_padded(at::kFloat, 24);
  check_equal(run(losses, padded, {0, kRows}, false), run(losses, plain, {0, kRows}, false), 1e-12);
  check_equal(run(losses, quick_padded, {0, kRows}, false), run(losses, quick, {0, kRows}, false), 1e-6);
  CHECK(quick_padded.student.master.grad().narrow(0, kClasses, 24).abs().max().item<double>() == 0);
}

TEST_CASE("without a label the hard part is skipped, and the walk gives the soft one") {
  const LossesConfig losses = resolved_losses("temperature: 2.0");
  Model model(at::kFloat);
  model.labels.assign(kRows, -1);
  const Result result = run(losses, model, {0, kRows}, false);
  CHECK(!result.parts[0].skipped);
  CHECK(result.parts[1].skipped);
  CHECK(result.hidden.abs().max().item<double>() > 0);
}

TEST_CASE("a loss that needs dense scores says so") {
  const LossesConfig losses = resolved_losses("temperature: 2.0, soft: {kind: mean_squared_error}");
  Model model(at::kFloat);
  CHECK_THROWS_WITH_AS(run(losses, model, {0, kRows}, false),
                       doctest::Contains("soft.mean_squared_error compares dense scores"), Error);
}

TEST_CASE("losses on features stand beside the walk over a vocabulary") {
  const LossesConfig losses = resolved_losses("temperature: 2.0"),
                     both = resolved_losses("temperature: 2.0, features: [{loss: {kind: hidden}, weight: 0.5}]");
  Model model(at::kDouble);
  const ModelShape shape{.layers = 1, .hidden = kHidden, .heads = 1, .key_heads = 1, .head_width = kHidden};
  Objective objective(both, true, ModelShapes{.student = shape, .teacher = shape});
  Batch batch = model.batch(0, kRows);
  batch.streams.push_back(
      {.ids = at::zeros({kRows}, at::kInt), .offsets = at::tensor({0, static_cast<std::int32_t>(kRows)}, at::kInt)});
  const Site site{.kind = Site::Kind::hidden, .layer = 1};
  const Tensor states = numbers({kRows, kHidden}, 8).to(at::kDouble).requires_grad_();
  const Tensor targets = numbers({kRows, kHidden}, 9).to(at::kDouble);
  const Outputs outputs{.heads = {scores_of(model.student_hidden, model.student, false)}, .captured = {{site, states}}};
  TeacherOutputs teacher{.captured = {{site, targets}}};
  teacher.heads.push_back(scores_of(model.teacher_hidden, model.teacher, false));
  objective.begin_step({&batch, 1}, {});
  objective.add({&outputs, 1}, {&teacher, 1}, batch).backward();
  std::vector<PartReport> parts;
  const double value = objective.finish_step(&parts);
  const double gap = (states - targets).square().mean().item<double>();
  CHECK(parts.at(2).raw == doctest::Approx(gap).epsilon(1e-12));
  CHECK(value == doctest::Approx(run(losses, model, {0, kRows}, false).value + 0.5 * gap).epsilon(1e-12));
  CHECK(relative(states.grad(), (states - targets) / static_cast<double>(kRows * kHidden)) < 1e-12);
}
