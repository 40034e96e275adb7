// The one normaliser: gradients of a step are final as they are added, whatever the cut of its batch.
#include "core/train/objective.h"

#include "core/base/error.h"
#include "core/data/plan.h"
#include "core/recipe/load.h"
#include "tests/check.h"

using namespace dsd;

namespace {

constexpr std::int64_t kRows = 9, kClasses = 4;

LossesConfig resolved_losses(std::string_view extra) {
  const auto text = fmt::format("task: sst2\ndata: {{root: x}}\nteacher: {{path: t}}\nlosses: {{{}}}\n", extra);
  return resolved(parse_recipe(text, "test")).losses;
}

struct Rows {
  Tensor student = at::randn({kRows, kClasses}, at::kDouble);
  Tensor teacher = at::randn({kRows, kClasses}, at::kDouble);
  std::vector<int> labels{0, 3, -1, 2, 1, -1, 0, 0, 3};

  std::int64_t pool = 1;  // examples that are compared

  Batch batch(std::int64_t from, std::int64_t to) const {
    Batch batch;
    batch.rows = {at::arange(to - from, at::kInt)};
    batch.pools = pool_bounds(to - from, pool);
    batch.labels = Classes{at::tensor(std::vector<int>(labels.begin() + from, labels.begin() + to), at::kInt)};
    return batch;
  }
};

struct Result {
  Tensor gradient;
  double value = 0;
  std::vector<PartReport> parts;
};

Result run(Objective& objective, const Rows& rows, const std::vector<std::int64_t>& cuts, bool with_teacher = true,
           Progress progress = {}) {
  const Tensor leaf = rows.student.clone().requires_grad_();
  std::vector<Batch> batches;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) batches.push_back(rows.batch(cuts[i], cuts[i + 1]));
  objective.begin_step(batches, progress);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const Outputs outputs{.heads = {{.dense = leaf.slice(0, cuts[i], cuts[i + 1])}}, .captured = {}};
    std::vector<TeacherOutputs> teachers(with_teacher ? 1 : 0);
    if (with_teacher) teachers[0].heads.push_back(Scores{.dense = rows.teacher.slice(0, cuts[i], cuts[i + 1])});
    if (const Tensor part = objective.add({&outputs, 1}, teachers, batches[i]); part.defined()) part.backward();
  }
  Result result;
  result.gradient = leaf.grad();
  result.value = objective.finish_step(&result.parts);
  return result;
}

}  // namespace

TEST_CASE("cutting a step into micro-batches changes nothing but rounding") {
  const Rows rows;
  Objective objective(resolved_losses("temperature: 3.0"), true);
  const Result whole = run(objective, rows, {0, kRows});
  for (const auto& cuts :
       std::vector<std::vector<std::int64_t>>{{0, 1, 9}, {0, 2, 3, 6, 9}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}) {
    const Result cut = run(objective, rows, cuts);
    CHECK((cut.gradient - whole.gradient).abs().max().item<double>() <
          1e-12 * whole.gradient.abs().max().item<double>());
    CHECK(cut.value == doctest::Approx(whole.value).epsilon(1e-12));
  }
}

TEST_CASE("a loss that compares examples does not see how pools are spread over micro-batches") {
  Rows rows;
  rows.pool = 3;
  for (const char* kind : {"dist", "contrastive"}) {
    Objective objective(resolved_losses(fmt::format("temperature: 2.0, pool: 4, soft: {{kind: {}}}", kind)), true);
    const Result whole = run(objective, rows, {0, kRows});
    for (const auto& cuts : std::vector<std::vector<std::int64_t>>{{0, 3, 9}, {0, 6, 9}, {0, 3, 6, 9}}) {
      const Result cut = run(objective, rows, cuts);
      CHECK((cut.gradient - whole.gradient).abs().max().item<double>() <
            1e-12 * whole.gradient.abs().max().item<double>());
      CHECK(cut.value == doctest::Approx(whole.value).epsilon(1e-12));
    }
    rows.pool = 9;  // other pools are another loss
    CHECK(run(objective, rows, {0, kRows}).value != doctest::Approx(whole.value).epsilon(1e-6));
    rows.pool = 3;
  }
}

TEST_CASE("what a loss learns of a step is the step's mean, however it was cut; its state goes to another objective") {
  const Rows rows;
  const auto losses = resolved_losses("temperature: 2.0, soft: {kind: taid, rate: 0.2, momentum: 0.5}");
  const auto follow = [&](Objective& objective, const std::vector<std::int64_t>& cuts, int from, int to) {
    std::vector<double> values;
    for (int step = from; step < to; ++step) {
      values.push_back(run(objective, rows, cuts).value);
      objective.after_step();
    }
    return values;
  };
  Objective whole(losses, true), cut(losses, true), resumed(losses, true);
  const auto expected = follow(whole, {0, kRows}, 0, 6);
  CHECK(expected[1] == expected[0]);  // the first step has none before it
  CHECK(run(resumed, rows, {0, kRows}).parts[0].in_force.at(0) == std::pair<std::string, double>("target_share", 0.4));
  CHECK(expected[3] > expected[2]);  // the target leaves a student that stands still
  const auto seen = follow(cut, {0, 2, 5, kRows}, 0, 4);
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  const State state = cut.state();
  CHECK(state.contains("soft.taid/share"));
  resumed.restore(state);
  CHECK(follow(resumed, {0, 2, 5, kRows}, 4, 6) == follow(cut, {0, 2, 5, kRows}, 4, 6));

  Objective plain(resolved_losses("temperature: 2.0"), true);
  CHECK(plain.state().empty());
  CHECK_THROWS_AS(plain.restore(state), Error);
  CHECK_THROWS_AS(resumed.restore({}), Error);
  plain.restore({});
}

TEST_CASE("the objective is weight x factor x mean of each part") {
  const Rows rows;
  Objective objective(resolved_losses("soft_weight: 0.9, hard_weight: 0.2, temperature: 2.0"), true);
  const Result result = run(objective, rows, {0, kRows});
  const Tensor p = at::softmax(rows.teacher / 2, -1), log_q = at::log_softmax(rows.student / 2, -1);
  const double kl = (p * (p.log() - log_q)).sum().item<double>() / kRows;
  double nll = 0;
  for (int i = 0; i < kRows; ++i)
    if (rows.labels[i] >= 0) nll -= at::log_softmax(rows.student, -1)[i][rows.labels[i]].item<double>() / 7;
  CHECK(result.parts.at(0).raw == doctest::Approx(kl).epsilon(1e-12));
  CHECK(result.parts.at(0).factor == 4.0);
  CHECK(result.parts.at(1).raw == doctest::Approx(nll).epsilon(1e-12));
  CHECK(result.value == doctest::Approx(0.9 * 4 * kl + 0.2 * nll).epsilon(1e-12));
  CHECK(result.parts[0].share + result.parts[1].share == doctest::Approx(1.0));
}

TEST_CASE("the balance among experts is a part of its own") {
  const Rows rows;
  Objective objective(resolved_losses("hard_weight: 1.0"), false);
  objective.add_balance(0.25);
  CHECK(objective.student_wants().routing);
  std::vector<Batch> batches{rows.batch(0, kRows)};
  batches[0].streams.push_back({.ids = at::zeros({6}, at::kInt), .offsets = at::tensor({0, 6}, at::kInt)});
  objective.begin_step(batches, {});
  // Two experts, all six tokens to the first, with probability 3/4: 2 * 1 * 3/4.
  const Tensor p = at::tensor({0.75, 0.25}, at::kDouble).expand({6, 2}).contiguous();
  const Outputs outputs{.heads = {{.dense = rows.student}},
                        .captured = {},
                        .routing = {{.layer = 0, .probabilities = p, .chosen = at::zeros({6, 1}, at::kInt)}}};
  objective.add({&outputs, 1}, {}, batches[0]);
  std::vector<PartReport> parts;
  const double value = objective.finish_step(&parts);
  CHECK(parts.at(1).name == "balance");
  CHECK(parts[1].raw == doctest::Approx(1.5).epsilon(1e-12));
  CHECK(parts[1].weight == 0.25);
  CHECK(parts[1].share == doctest::Approx(0.375 / value));
  CHECK(value == doctest::Approx(parts[0].raw + 0.375).epsilon(1e-12));
}

TEST_CASE("a part without units is skipped, and says so") {
  Rows rows;
  rows.labels.assign(kRows, -1);
  Objective objective(resolved_losses("temperature: 1.0"), true);
  const Result result = run(objective, rows, {0, 4, kRows});
  CHECK_FALSE(result.parts.at(0).skipped);
  CHECK(result.parts.at(1).skipped);
  CHECK(result.gradient.isfinite().all().item<bool>());
}

TEST_CASE("without a teacher the hard loss counts whole") {
  const Rows rows;
  Objective objective(resolved_losses("hard_weight: 0.3"), false);
  const Result result = run(objective, rows, {0, kRows}, false);
  CHECK(result.parts.size() == 1);
  CHECK(result.parts[0].weight == 1.0);
  CHECK(result.value == doctest::Approx(result.parts[0].raw));
}

TEST_CASE("weights and the temperature follow their schedules, and a teacher of weight 0 is not asked") {
  const Rows rows;
  Objective objective(resolved_losses("soft_weight: 0 -> 1 in 2 stages, hard_weight: 1 -> 0 linear, "
                                      "temperature: 3 over 20% then 2 -> 1 cosine"),
                      true);
  CHECK_FALSE(objective.needs_teacher({.step = 0, .steps = 10}));
  CHECK(objective.needs_teacher({.step = 5, .steps = 10}));
  const auto temperature_at = [&](std::int64_t step) {
    run(objective, rows, {0, kRows}, true, {.step = step, .steps = 10});
    return objective.temperature().mean;
  };
  CHECK(temperature_at(1) == 3.0);
  CHECK(temperature_at(2) == 2.0);
  const Result result = run(objective, rows, {0, kRows}, true, {.step = 6, .steps = 10});
  CHECK(result.parts.at(0).weight == 1.0);
  CHECK(result.parts.at(0).factor == doctest::Approx(1.5 * 1.5).epsilon(1e-12));
  CHECK(result.parts.at(1).weight == doctest::Approx(0.4).epsilon(1e-12));
}

TEST_CASE("rows at temperatures of their own: raw times factor is what is minimised, and the log knows their range") {
  const Rows rows;
  Objective objective(resolved_losses("soft_weight: 1, hard_weight: 0, temperature: {kind: cwsm, strength: 2}"), true);
  run(objective, rows, {0, kRows});
  objective.after_step();
  const Result result = run(objective, rows, {0, 4, kRows});
  const TemperatureReport report = objective.temperature();
  CHECK(report.least < report.mean);
  CHECK(report.mean < report.largest);
  CHECK(result.parts.at(0).factor == report.squared_factor);
  CHECK(result.value == doctest::Approx(result.parts[0].raw * result.parts[0].factor).epsilon(1e-12));
  const Tensor shares = at::softmax(rows.student, -1).amax(-1);
  const Tensor hard = 1 / (shares + 1e-3), temperature = (2.0 - 2.0 * (hard - hard.mean())).clamp(0.5, 20);
  const Tensor softener = temperature.unsqueeze(-1), p = at::softmax(rows.teacher / softener, -1);
  const Tensor kl = (p * (p.log() - at::log_softmax(rows.student / softener, -1))).sum(-1);
  CHECK(result.value == doctest::Approx((temperature.square() * kl).mean().item<double>()).epsilon(1e-10));
}

TEST_CASE("an objective's state goes to another with the same bits, and is refused by one that it is not of") {
  const Rows rows;
  const LossesConfig losses = resolved_losses("temperature: {kind: learned, rate: 1, reversal: 1}");
  Objective whole(losses, true), second(losses, true), fixed(resolved_losses("temperature: 2.0"), true);
  const Result first = run(whole, rows, {0, kRows});
  whole.after_step();
  second.restore(whole.state());
  const Result a = run(whole, rows, {0, kRows}), b = run(second, rows, {0, kRows});
  CHECK(a.value == b.value);
  CHECK(at::equal(a.gradient, b.gradient));
  CHECK(a.value > first.value);  // theta has climbed, and the student stood still
  CHECK_THROWS_WITH_AS(fixed.restore(whole.state()), doctest::Contains("the state of a temperature"), Error);
}

TEST_CASE("a loss and the temperature that both remember go on together, and each is asked for") {
  const Rows rows;
  const LossesConfig losses =
      resolved_losses("temperature: {kind: cwsm, strength: 2}, soft: {kind: taid, rate: 0.2, momentum: 0.5}");
  Objective whole(losses, true), second(losses, true);
  for (int step = 0; step < 3; ++step) {
    run(whole, rows, {0, 2, kRows});
    whole.after_step();
  }
  State state = whole.state();
  CHECK(state.contains("temperature/mean"));
  CHECK(state.contains("soft.taid/share"));
  second.restore(state);
  const Result a = run(whole, rows, {0, kRows}), b = run(second, rows, {0, kRows});
  CHECK(a.value == b.value);
  CHECK(at::equal(a.gradient, b.gradient));
  state.erase("soft.taid/share");
  CHECK_THROWS_WITH_AS(second.restore(state), doctest::Contains("lacks 'share'"), Error);
}

TEST_CASE("a loss whose rows share one temperature is not given others") {
  for (const char* kind : {"dist", "mean_squared_error"}) {
    LossesConfig losses = resolved_losses(fmt::format("soft: {{kind: {}}}", kind));
    CHECK_NOTHROW(Objective(losses, true));
    losses.temperature = CwsmTemperature{};
    CHECK_THROWS_AS(Objective(losses, true), std::logic_error);
    CHECK_NOTHROW(Objective(losses, false));
  }
}

TEST_CASE("a learned temperature gathers its slope over all micro-batches") {
  const Rows rows;
  const LossesConfig losses = resolved_losses("temperature: {kind: learned, rate: 1, reversal: 1}");
  Objective whole(losses, true), cut(losses, true);
  run(whole, rows, {0, kRows});
  run(cut, rows, {0, 2, 3, kRows});
  whole.after_step();
  cut.after_step();
  CHECK(whole.state().at("temperature/theta").item<double>() ==
        doctest::Approx(cut.state().at("temperature/theta").item<double>()).epsilon(1e-12));
}
