// Losses against a teacher's logits. Golden values: single rows in float64 by an independent implementation (numpy)
// from z_T = [2, 1, 0, -1, .5], z_S = [1, 1.5, -.5, 0, .25], y = 0; four rows by scripts/reference/logit_losses.py
// (PyTorch). Gradients: central differences in float64.
#include "core/base/error.h"
#include "losses/compared.h"
#include "tests/losses/row_sample.h"

using namespace dsd;
using namespace dsd::sample;

namespace {

// Of logit_losses.py.
const Tensor kTeachers = at::tensor({2.0, 1.0,  0.0, -1.0, 0.5, 1.0,  1.5, -0.5, 0.0, 0.25,
                                     0.3, -0.7, 1.1, 0.2,  2.4, -1.0, 0.4, 0.9,  1.6, -0.2},
                                    at::kDouble)
                             .view({4, 5});
const Tensor kStudents = at::tensor({1.0, 1.5, -0.5, 0.0, 0.25, 0.2, 0.9, 0.4, -1.2, 1.3,
                                     1.4, 0.1, -0.6, 0.8, 0.5,  0.0, 1.0, 0.5, 0.7,  -0.9},
                                    at::kDouble)
                             .view({4, 5});
const std::vector<int> kLabels{0, 2, 4, 1};

std::unique_ptr<Loss> made(const SoftLossConfig& config) { return make_loss(config); }

double golden(const SoftLossConfig& config, double temperature, const Labels& labels = std::monostate{}) {
  const auto loss = made(config);
  const double sum = value_of(*loss, golden_student(), golden_teacher(), batch_of(1, labels), temperature);
  return sum * loss->factor(temperature);
}

double of_four(const SoftLossConfig& config, double temperature, std::vector<std::int64_t> pools = {}) {
  return value_of(*made(config), kStudents, kTeachers, batch_of(4, classes(kLabels), std::move(pools)), temperature);
}

using Correction = TeacherCorrection;

// One of each kind, and of each option.
const std::vector<SoftLossConfig> kAll{
    ForwardKlConfig{},
    ForwardKlConfig{.logits = {.standardise = true}},
    ForwardKlConfig{.logits = {.correct_teacher = Correction::probability_shift}},
    ForwardKlConfig{.logits = {.correct_teacher = Correction::mft}},
    SoftCrossEntropyConfig{},
    ReverseKlConfig{},
    ReverseKlConfig{.logits = {.standardise = true, .correct_teacher = Correction::mft}},
    GeneralisedJsdConfig{.teacher_share = 0.3},
    SkewKlConfig{},
    SkewReverseKlConfig{},
    TotalVariationConfig{},
    TaidConfig{},
    DecoupledKdConfig{},
    DecoupledKdConfig{.target_weight = 0.5, .others_weight = 2, .logits = {.correct_teacher = Correction::mft}},
    DistConfig{},
    DistConfig{.inter_weight = 2, .intra_weight = 0.5, .logits = {.standardise = true}},
    ContrastiveConfig{.contrast_temperature = 0.3},
    LogitMeanSquaredErrorConfig{},
    LogitMeanSquaredErrorConfig{.standardise = true}};

}  // namespace

TEST_CASE("divergences have the golden values") {
  CHECK(golden(SoftCrossEntropyConfig{.t_squared = false}, 2) == doctest::Approx(1.553448553740).epsilon(1e-11));
  CHECK(golden(SoftCrossEntropyConfig{}, 2) == doctest::Approx(4 * 1.553448553740).epsilon(1e-11));
  CHECK(golden(SkewKlConfig{}, 1) == doctest::Approx(0.191436443551).epsilon(1e-11));
  CHECK(golden(SkewReverseKlConfig{}, 1) == doctest::Approx(0.197791057445).epsilon(1e-11));
  CHECK(golden(TotalVariationConfig{}, 1) == doctest::Approx(0.309719470217).epsilon(1e-11));
  CHECK(golden(ForwardKlConfig{.logits = {.standardise = true}}, 2) == doctest::Approx(0.240070979577).epsilon(1e-10));
}

TEST_CASE("a divergence is 0 where student and teacher agree; the cross-entropy is then the teacher's entropy") {
  const Batch batch = batch_of(4, classes(kLabels));
  for (const SoftLossConfig& config : kAll) {
    if (logits_of(config).correct_teacher != Correction::none) continue;
    if (std::holds_alternative<ContrastiveConfig>(config)) continue;  // whose negatives are still there
    const auto loss = made(config);
    CAPTURE(loss->name());
    const double entropy =
        std::holds_alternative<SoftCrossEntropyConfig>(config)
            ? -(at::softmax(kTeachers / 2, -1) * at::log_softmax(kTeachers / 2, -1)).sum().item<double>()
            : 0;
    CHECK(std::abs(value_of(*loss, kTeachers, kTeachers, batch, 2) - entropy) < 1e-5);
    // Softmax does not see all logits of a row move together, and nor does any loss that softens.
    if (std::holds_alternative<LogitMeanSquaredErrorConfig>(config) && !logits_of(config).standardise) continue;
    const double moved = value_of(*loss, kStudents + 3, kTeachers - 2, batch, 2);
    CHECK(moved == doctest::Approx(value_of(*loss, kStudents, kTeachers, batch, 2)).epsilon(1e-10));
  }
}

TEST_CASE("decoupled KD has the golden values, and both its parts") {
  const Labels label = classes({0});
  CHECK(golden(DecoupledKdConfig{}, 4, label) == doctest::Approx(1.410352819754).epsilon(1e-11));
  CHECK(golden(DecoupledKdConfig{}, 1, label) == doctest::Approx(1.062992173929).epsilon(1e-11));
  CHECK(golden(DecoupledKdConfig{.others_weight = 0}, 4, label) == doctest::Approx(0.137390633941).epsilon(1e-10));
  CHECK(golden(DecoupledKdConfig{.target_weight = 0, .others_weight = 1}, 4, label) ==
        doctest::Approx(0.159120273227).epsilon(1e-10));
  // KL(p || q) = of the target + (1 - p_y) of the others.
  const double others = golden(DecoupledKdConfig{.target_weight = 0, .others_weight = 1}, 1, label);
  const double rest = 1 - at::softmax(golden_teacher(), -1)[0][0].item<double>();
  CHECK(golden(DecoupledKdConfig{.others_weight = 0}, 1, label) + rest * others ==
        doctest::Approx(golden(ForwardKlConfig{}, 1)).epsilon(1e-12));
}

TEST_CASE("without a label decoupled KD tells the teacher's likeliest class from the others") {
  const double told = golden(DecoupledKdConfig{}, 2, classes({0}));  // the likeliest
  CHECK(golden(DecoupledKdConfig{}, 2, classes({-1})) == doctest::Approx(told).epsilon(1e-14));
  CHECK(golden(DecoupledKdConfig{}, 2) == doctest::Approx(told).epsilon(1e-14));
  CHECK(golden(DecoupledKdConfig{}, 2, classes({3})) != doctest::Approx(told).epsilon(1e-3));
  CHECK_THROWS_AS(golden(DecoupledKdConfig{}, 2, Values{at::tensor({1.0f})}), Error);
}

TEST_CASE("of two classes decoupled KD is forward KL") {
  const Tensor student = kStudents.slice(1, 0, 2), teacher = kTeachers.slice(1, 0, 2);
  const Batch batch = batch_of(4, classes({0, 1, 1, -1}));
  CHECK(value_of(*made(DecoupledKdConfig{}), student, teacher, batch, 1) ==
        doctest::Approx(value_of(*made(ForwardKlConfig{}), student, teacher, batch, 1)).epsilon(1e-12));
}

TEST_CASE("decoupled KD tells the other classes apart however far below the target they are") {
  const Tensor teacher = at::tensor({3000.0, 1.0, 0.0}, at::kDouble).unsqueeze(0);
  const Tensor student = at::tensor({2500.0, 0.5, 0.2}, at::kDouble).unsqueeze(0);
  const Batch batch = batch_of(1, classes({0}));
  const double expected = value_of(*made(ForwardKlConfig{}), student.slice(1, 1), teacher.slice(1, 1), batch, 1);
  for (const auto type : {at::kDouble, at::kFloat})
    CHECK(value_of(*made(DecoupledKdConfig{.others_weight = 1}), student.to(type), teacher.to(type), batch, 1) ==
          doctest::Approx(expected).epsilon(type == at::kDouble ? 1e-12 : 1e-3));  // fp32 steps by 2e-4 at 3000
}

TEST_CASE("logits in bf16 are compared in fp32: equal ones are equal") {
  const Tensor logits = kTeachers.to(at::kBFloat16);
  const Batch batch = batch_of(4, classes({-1, -1, -1, -1}));
  for (const SoftLossConfig& config : kAll) {
    if (std::holds_alternative<ContrastiveConfig>(config) || std::holds_alternative<SoftCrossEntropyConfig>(config))
      continue;
    CHECK(std::abs(value_of(*made(config), logits, logits, batch, 2)) < 1e-5);
  }
}

TEST_CASE("a teacher corrected by labels has the reference's values") {
  const LogitsConfig shift{.correct_teacher = Correction::probability_shift}, mft{.correct_teacher = Correction::mft};
  CHECK(of_four(ForwardKlConfig{.logits = shift}, 2) == doctest::Approx(0.466093426886).epsilon(1e-11));
  CHECK(of_four(ForwardKlConfig{.logits = mft}, 2) == doctest::Approx(1.003695839428).epsilon(1e-11));
  // A row without a label keeps its teacher.
  const auto loss = made(ForwardKlConfig{.logits = mft});
  CHECK(value_of(*loss, kStudents, kTeachers, batch_of(4, classes({-1, -1, -1, -1})), 2) ==
        doctest::Approx(of_four(ForwardKlConfig{}, 2)).epsilon(1e-14));
  CHECK_THROWS_AS(value_of(*loss, kStudents, kTeachers, batch_of(4, std::monostate{}), 2), Error);
}

TEST_CASE("mft keeps every divergence finite where it makes the teacher certain") {
  const LogitsConfig mft{.correct_teacher = Correction::mft};
  const Tensor certain = kTeachers * 40;
  for (const auto type : {at::kDouble, at::kFloat}) {
    for (const SoftLossConfig& config :
         {SoftLossConfig{ReverseKlConfig{.logits = mft}}, SoftLossConfig{ForwardKlConfig{.logits = mft}},
          SoftLossConfig{DecoupledKdConfig{.logits = mft}}}) {
      const Tensor gradient = sample::gradient_of(*made(config), kStudents.to(type), certain.to(type),
                                                  batch_of(4, classes({0, 1, 4, 3})), 1);
      CHECK(gradient.isfinite().all().item<bool>());
    }
  }
}

TEST_CASE("standardised logits: scale and place of a row say nothing, and a row of equal logits is harmless") {
  const LogitsConfig logits{.standardise = true};
  const auto loss = made(ForwardKlConfig{.logits = logits});
  const Batch batch = batch_of(4, std::monostate{});
  CHECK(value_of(*loss, kStudents * 3 + 1, kTeachers * 0.2 - 4, batch, 2) ==
        doctest::Approx(value_of(*loss, kStudents, kTeachers, batch, 2)).epsilon(1e-6));
  Tensor equal = kStudents.clone();
  equal[1].fill_(0.7);
  CHECK(sample::gradient_of(*loss, equal, kTeachers, batch, 2).isfinite().all().item<bool>());
  CHECK(sample::gradient_of(*made(LogitMeanSquaredErrorConfig{.standardise = true}), equal, kTeachers, batch, 2)
            .isfinite()
            .all()
            .item<bool>());
}

TEST_CASE("DIST has the reference's values: a mean over rows, a mean over classes of each pool") {
  const DistConfig inter{.intra_weight = 0}, intra{.inter_weight = 0};
  CHECK(of_four(inter, 1) / 4 == doctest::Approx(0.747232531532).epsilon(1e-6));
  CHECK(of_four(intra, 1) / 4 == doctest::Approx(0.743376112680).epsilon(1e-6));
  CHECK(of_four(inter, 4) / 4 == doctest::Approx(0.638521167993).epsilon(1e-5));
  CHECK(of_four(intra, 4) / 4 == doctest::Approx(0.674175079617).epsilon(1e-4));
  // Pools of two count by their rows.
  CHECK(of_four(intra, 2, {0, 2, 4}) == doctest::Approx(2 * 1.6).epsilon(1e-4));
  CHECK(of_four(inter, 2, {0, 2, 4}) == doctest::Approx(of_four(inter, 2)).epsilon(1e-12));
  CHECK(of_four(intra, 2, {0, 1, 2, 3, 4}) == 0);  // a pool of one has nothing to compare
}

TEST_CASE("the contrast has the reference's values, and a pool of one none") {
  CHECK(of_four(ContrastiveConfig{}, 2) == doctest::Approx(5.121186518446).epsilon(1e-10));
  CHECK(value_of(*made(ContrastiveConfig{}), kStudents.slice(0, 0, 2), kTeachers.slice(0, 0, 2),
                 batch_of(2, std::monostate{}), 2) == doctest::Approx(1.462817434650).epsilon(1e-10));
  CHECK(of_four(ContrastiveConfig{}, 2, {0, 1, 2, 3, 4}) == doctest::Approx(0));
  // Nearer to one's own teacher than to the others' is better.
  const Batch batch = batch_of(4, std::monostate{});
  const auto loss = made(ContrastiveConfig{});
  CHECK(value_of(*loss, kTeachers, kTeachers, batch, 1) < value_of(*loss, kTeachers.roll(1, 0), kTeachers, batch, 1));
}

TEST_CASE("a loss that compares examples wants whole pools") {
  Batch batch = batch_of(4, std::monostate{});
  for (const auto& pools : std::vector<std::vector<std::int64_t>>{{}, {0}, {0, 3}, {1, 4}}) {
    batch.pools = pools;
    CHECK_THROWS_AS(value_of(*made(DistConfig{}), kStudents, kTeachers, batch, 1), Error);
  }
  for (const SoftLossConfig& config : kAll) CHECK((made(config)->reach() == Reach::pool) == compares_examples(config));
}

TEST_CASE("every loss against a teacher agrees with central differences") {
  const Batch batch = batch_of(4, classes({0, -1, 4, 1}), {0, 3, 4});
  for (const SoftLossConfig& config : kAll) {
    if (std::holds_alternative<TaidConfig>(config)) continue;  // whose target must not move: below
    for (const double temperature : {1.0, 2.5}) check_gradient(*made(config), kStudents, kTeachers, batch, temperature);
  }
}

TEST_CASE("a sum over a batch cut between pools is the sum of the cuts") {
  const Tensor student = at::randn({7, 5}, at::kDouble), teacher = at::randn({7, 5}, at::kDouble);
  const std::vector<int> labels{0, 1, -1, 4, 2, 2, 3};
  const Batch whole = batch_of(7, classes(labels), {0, 2, 4, 6, 7});
  for (const SoftLossConfig& config : kAll) {
    const auto loss = made(config);
    CAPTURE(loss->name());
    const Tensor slope = sample::gradient_of(*loss, student, teacher, whole, 2);
    double apart = 0, count = 0;
    std::vector<Tensor> slopes;
    for (const auto& [from, to, pools] : std::vector<std::tuple<int, int, std::vector<std::int64_t>>>{
             {0, 2, {0, 2}}, {2, 6, {0, 2, 4}}, {6, 7, {0, 1}}}) {
      const Batch part = batch_of(to - from, classes({labels.begin() + from, labels.begin() + to}), pools);
      const Tensor rows = student.slice(0, from, to), targets = teacher.slice(0, from, to);
      apart += value_of(*loss, rows, targets, part, 2);
      count += loss->count(part);
      slopes.push_back(sample::gradient_of(*loss, rows, targets, part, 2));
    }
    CHECK(apart == doctest::Approx(value_of(*loss, student, teacher, whole, 2)).epsilon(1e-12));
    CHECK(count == loss->count(whole));
    CHECK((at::cat(slopes) - slope).abs().max().item<double>() < 1e-12 * slope.abs().max().item<double>());
  }
}

TEST_CASE("a class that either side masks is out on both; a row of masks gives 0, and no loss a NaN") {
  const Batch batch = batch_of(4, classes({0, -1, 4, 1}));
  for (const SoftLossConfig& config : kAll) {
    const auto loss = made(config);
    CAPTURE(loss->name());
    Tensor student = at::cat({kStudents, at::ones({4, 3}, at::kDouble)}, 1),
           teacher = at::cat({kTeachers, at::ones({4, 3}, at::kDouble)}, 1);
    student.slice(1, 5, 7).fill_(-INFINITY), teacher.slice(1, 6, 8).fill_(-INFINITY);
    CHECK(value_of(*loss, student, teacher, batch, 2) ==
          doctest::Approx(value_of(*loss, kStudents, kTeachers, batch, 2)).epsilon(1e-12));
    const Tensor slope = sample::gradient_of(*loss, student, teacher, batch, 2);
    CHECK(slope.slice(1, 5).abs().max().item<double>() == 0);
    CHECK(
        (slope.slice(1, 0, 5) - sample::gradient_of(*loss, kStudents, kTeachers, batch, 2)).abs().max().item<double>() <
        1e-12);
    student[2].fill_(-INFINITY);
    CHECK(std::isfinite(value_of(*loss, student, teacher, batch, 2)));
    CHECK(sample::gradient_of(*loss, student, teacher, batch, 2).isfinite().all().item<bool>());
  }
}

TEST_CASE("extreme logits in fp32 stay finite, and as their values in float64") {
  const Batch batch = batch_of(4, classes({0, -1, 4, 1}));
  for (const SoftLossConfig& config : kAll) {
    const auto loss = made(config);
    CAPTURE(loss->name());
    for (const double scale : {1e-3, 1.0, 30.0}) {
      // Of probabilities that are all but equal fp32 has no correlation to tell.
      if (scale < 1 && std::holds_alternative<DistConfig>(config)) continue;
      const Tensor student = (kStudents * scale).to(at::kFloat), teacher = (kTeachers * scale).to(at::kFloat);
      const double value = value_of(*loss, student, teacher, batch, 1);
      const double exact = value_of(*loss, student.to(at::kDouble), teacher.to(at::kDouble), batch, 1);
      CAPTURE(scale);
      CHECK(std::abs(value - exact) < 2e-5 * std::max(1.0, std::abs(exact)));
      CHECK(sample::gradient_of(*loss, student, teacher, batch, 1).isfinite().all().item<bool>());
    }
  }
}
