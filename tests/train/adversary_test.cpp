// Perturbed embeddings: norms and bounds, what each adversary learns from, its gain, and that no cut of a step changes
// it. The model is plain autograd in float64; real ones are met in adversary_models_test.cpp.
#include "core/train/adversary.h"

#include "core/base/error.h"
#include "core/data/plan.h"
#include "core/recipe/load.h"
#include "core/train/perturbed_passes.h"
#include "tests/check.h"

using namespace dsd;

namespace {

constexpr std::int64_t kWords = 11, kWidth = 6, kClasses = 3;
const std::vector<std::int64_t> kLengths{3, 1, 4, 2, 5, 2};
const std::vector<std::int32_t> kLabels{0, 2, 1, -1, 0, 1};

Tensor draw(at::IntArrayRef shape, std::uint32_t which) {
  const auto values = normal_numbers(c10::multiply_integers(shape), 1, {.seed = 9, .step = which});
  return at::tensor(values, at::kFloat).view(shape).to(at::kDouble);
}

// Mean over an example's tokens of tanh(e), times a matrix.
class Averager final : public Model {
 public:
  explicit Averager(std::uint32_t which) {
    table.master = draw({kWords, kWidth}, which).requires_grad_();
    head.master = draw({kClasses, kWidth}, which + 1).requires_grad_();
    parameters_ = {{.name = "table", .weight = &table}, {.name = "head", .weight = &head}};
  }
  Outputs forward(const Batch& batch, const Wanted&, const Pass& pass) override {
    ++forwards;
    const Tensor words = pass.embeddings.defined() ? pass.embeddings : embed(batch, 0);
    const Tensor offsets = batch.streams[0].offsets;
    std::vector<Tensor> means;
    for (std::int64_t s = 0; s < batch.streams[0].count(); ++s)
      means.push_back(at::tanh(words.slice(0, offsets[s].item<int>(), offsets[s + 1].item<int>())).mean(0));
    Scores scores;
    scores.classes = kClasses;
    scores.dense = at::linear(at::stack(means), head.master);
    return {.heads = {scores}, .captured = {}, .routing = {}};
  }
  Tensor embed(const Batch& batch, int) override { return table.master.index_select(0, batch.streams[0].ids); }
  std::span<Parameter> parameters() override { return parameters_; }
  const ModelConfig& config() const override { return config_; }

  Weight table, head;
  int forwards = 0;

 private:
  std::vector<Parameter> parameters_;
  ModelConfig config_{.family = BertConfig{.hidden_size = kWidth}, .head = {}, .json = {}};
};

Batch batch_of(std::size_t from, std::size_t to, std::int64_t pool = 1) {
  std::vector<std::int32_t> ids, offsets{0};
  for (std::size_t s = from; s < to; ++s) {
    for (std::int64_t t = 0; t < kLengths[s]; ++t)
      ids.push_back(static_cast<std::int32_t>((7 * s + 3 * static_cast<std::size_t>(t)) % kWords));
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
  }
  Batch batch;
  batch.streams.push_back({.ids = at::tensor(ids, at::kInt), .offsets = at::tensor(offsets, at::kInt)});
  batch.labels = Classes{at::tensor(std::vector(kLabels.begin() + static_cast<std::ptrdiff_t>(from),
                                                kLabels.begin() + static_cast<std::ptrdiff_t>(to)),
                                    at::kInt)};
  batch.first = static_cast<std::int64_t>(from);
  batch.pools = pool_bounds(static_cast<std::int64_t>(to - from), pool);
  return batch;
}

Recipe recipe_of(std::string_view adversary) {
  return resolved(parse_recipe(
      fmt::format("task: sst2\ndata: {{root: x}}\nteacher: {{path: t}}\nlosses: {{temperature: 2}}\nadversary: {}\n",
                  adversary),
      "test"));
}

struct Step {
  Tensor table, head;  // gradients
  double value = 0;
  std::vector<PartReport> parts;
  int forwards = 0;
  const PartReport& own() const { return parts.back(); }
  double of(std::string_view key) const {
    for (const auto& [name, number] : own().in_force)
      if (name == key) return number;
    throw std::logic_error("no such number");
  }
};

Step run(std::string_view adversary, const std::vector<std::size_t>& cuts = {0, 6}, std::uint32_t step = 3,
         bool with_adversary = true) {
  const Recipe recipe = recipe_of(adversary);
  Averager student(1), teacher(5);
  for (Parameter& parameter : student.parameters())
    parameter.weight->master.mutable_grad() = at::zeros_like(parameter.weight->master);
  const auto method = make_adversary(*recipe.adversary);
  Objective objective(recipe.losses, true);
  PerturbedPasses passes(*method, student, objective, nullptr);
  std::vector<Batch> batches;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
    batches.push_back(batch_of(cuts[i], cuts[i + 1], pool_size(recipe)));
  const Progress progress{.step = step, .steps = 10};
  objective.begin_step(batches, progress);
  passes.begin_step(progress, {.seed = 1, .purpose = Purpose::adversary, .step = step});
  for (const Batch& batch : batches) {
    std::vector<TeacherOutputs> teachers(1);
    {
      const at::NoGradGuard no_grad;
      teachers[0].heads.emplace_back(teacher.forward(batch, {}, {}).heads[0]);
    }
    if (with_adversary) {
      passes.backward(batch, teachers, {}, {}, {.train = true});
    } else {
      const Outputs outputs = student.forward(batch, {}, {});
      objective.add({&outputs, 1}, teachers, batch).backward();
    }
  }
  Step result{.table = student.table.master.grad(), .head = student.head.master.grad(), .parts = {}};
  result.value = objective.finish_step(&result.parts);
  if (with_adversary) result.value = passes.report(result.value, &result.parts);
  result.forwards = student.forwards;
  return result;
}

double apart(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

const std::vector<std::string_view> kAll{
    "{kind: fgm, radius: 0.4}",
    "{kind: pgd, radius: 0.4, step_size: 0.2, steps: 3}",
    "{kind: freelb, radius: 0.5, step_size: 0.2, steps: 3}",
    "{kind: smart, radius: 0.05, step_size: 0.04, deviation: 0.01, steps: 2, weight: 3}",
    "{kind: kd_max, radius: 0.4, step_size: 0.2, steps: 3}",
    "{kind: mix_up, concentration: 0.7}",
};

}  // namespace

TEST_CASE("norms are an example's own, over its own tokens") {
  const Examples examples(batch_of(0, 3));
  const Tensor r = draw({8, kWidth}, 30);
  const Tensor norms = examples.norms(r);
  CHECK(norms[0].item<double>() == doctest::Approx(r.slice(0, 0, 3).norm().item<double>()).epsilon(1e-12));
  CHECK(norms[1].item<double>() == doctest::Approx(r[3].norm().item<double>()).epsilon(1e-12));
  CHECK(examples.largest(r)[2].item<double>() == r.slice(0, 4, 8).abs().max().item<double>());
  CHECK(apart(examples.norms(examples.of_norm(r, 0.7)), at::full({3}, 0.7, at::kDouble)) < 1e-12);
  CHECK(apart(examples.largest(examples.of_largest(r, 0.2)), at::full({3}, 0.2, at::kDouble)) < 1e-12);
  // Only what is beyond the radius is brought back, in its own direction.
  const double radius = (norms.min().item<double>() + norms.max().item<double>()) / 2;
  const Tensor within = examples.within(r, radius);
  CHECK(apart(examples.norms(within), norms.clamp_max(radius)) < 1e-12);
  CHECK(apart(examples.of_norm(within, 1), examples.of_norm(r, 1)) < 1e-12);
}

TEST_CASE("an example whose gradient is 0 or not finite is not perturbed, and spoils no other") {
  const Examples examples(batch_of(0, 3));
  Tensor g = draw({8, kWidth}, 31);
  g.slice(0, 0, 3).zero_();
  g[3][2] = NAN;
  const Tensor r = examples.of_norm(g, 1);
  CHECK(r.slice(0, 0, 4).abs().max().item<double>() == 0);
  CHECK(r.slice(0, 4, 8).norm().item<double>() == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("a random start is uniform up to size / sqrt(L H), and stands where the example stands") {
  const Examples whole(batch_of(0, 6)), cut(batch_of(2, 5));
  const RandomKey key{.seed = 3, .purpose = Purpose::adversary, .step = 8};
  const Tensor r = whole.uniform(kWidth, 0.6, key);
  const std::int64_t begin = 3 + 1, tokens = 4 + 2 + 5;
  CHECK(r.slice(0, begin, begin + tokens).equal(cut.uniform(kWidth, 0.6, key)));
  const double bound = 0.6 / std::sqrt(3.0 * kWidth);
  const double largest = r.slice(0, 0, 3).abs().max().item<double>();
  CHECK(largest <= bound);
  CHECK(largest > 0.7 * bound);
  CHECK_FALSE(r.equal(whole.uniform(kWidth, 0.6, {.seed = 3, .purpose = Purpose::adversary, .step = 9})));
  // Normal numbers: mean 0 and the deviation within four standard errors.
  const Tensor many = Examples(batch_of(0, 6)).normal(2000, 0.5, key);
  CHECK(std::abs(many.mean().item<double>()) < 4 * 0.5 / std::sqrt(17.0 * 2000));
  CHECK(many.std().item<double>() == doctest::Approx(0.5).epsilon(4 / std::sqrt(2 * 17.0 * 2000)));
}

TEST_CASE("cutting a step changes nothing but rounding") {
  for (const auto adversary : kAll) {
    CAPTURE(adversary);
    const Step whole = run(adversary);
    for (const auto& cuts : std::vector<std::vector<std::size_t>>{{0, 2, 6}, {0, 2, 4, 6}}) {
      const Step cut = run(adversary, cuts);
      CHECK(apart(cut.table, whole.table) < 1e-12);
      CHECK(apart(cut.head, whole.head) < 1e-12);
      CHECK(cut.value == doctest::Approx(whole.value).epsilon(1e-12));
      CHECK(cut.of("norm") == doctest::Approx(whole.of("norm")).epsilon(1e-12));
      CHECK(cut.of("gain") == doctest::Approx(whole.of("gain")).epsilon(1e-9));
    }
  }
}

TEST_CASE("each adversary finds a loss above the one it began at, within its bound, in as many passes as it says") {
  const std::vector<int> forwards{2, 4, 3, 4, 5, 2};
  const std::vector<double> bounds{0.4, 0.4, 0.5, 0.05 * std::sqrt(5.0 * kWidth), 0.4, 1e9};
  for (std::size_t i = 0; i < kAll.size(); ++i) {
    CAPTURE(kAll[i]);
    const Step step = run(kAll[i]);
    CHECK(step.forwards == forwards[i]);
    CHECK(step.of("norm") > 0);
    CHECK(step.of("norm") <= bounds[i] * (1 + 1e-12));
    if (kAll[i].find("mix_up") == std::string_view::npos) CHECK(step.of("gain") > 0);
    double share = 0;
    for (const auto& part : step.parts) share += part.share;
    CHECK(share == doctest::Approx(1));
  }
  CHECK(run(kAll[0]).of("norm") == doctest::Approx(0.4).epsilon(1e-12));  // FGM goes as far as it may
}

TEST_CASE("the gradient of FGM is that of L(e) + w L(e + r), with r as it stands") {
  const Step plain = run(kAll[0], {0, 6}, 3, false);
  // By hand, over the same model: r from the plain gradient by the embeddings.
  const Recipe recipe = recipe_of(kAll[0]);
  Averager student(1), teacher(5);
  Objective objective(recipe.losses, true);
  const Batch batch = batch_of(0, 6);
  std::vector<TeacherOutputs> teachers(1);
  {
    const at::NoGradGuard no_grad;
    teachers[0].heads.emplace_back(teacher.forward(batch, {}, {}).heads[0]);
  }
  const Tensor leaf = student.embed(batch, 0).detach().requires_grad_();
  objective.begin_step({&batch, 1}, {});
  Outputs outputs = student.forward(batch, {}, {.embeddings = leaf});
  objective.add({&outputs, 1}, teachers, batch).backward();
  const Tensor offsets = batch.streams[0].offsets;
  Tensor r = at::zeros_like(leaf);
  for (int s = 0; s < 6; ++s) {
    const int from = offsets[s].item<int>(), to = offsets[s + 1].item<int>();
    const Tensor g = leaf.grad().slice(0, from, to);
    r.slice(0, from, to).copy_(0.4 * g / g.norm());
  }
  for (Parameter& parameter : student.parameters()) parameter.weight->master.mutable_grad() = Tensor();
  for (const Tensor& by : {at::zeros_like(r), r}) {
    outputs = student.forward(batch, {}, {.embeddings = student.embed(batch, 0) + by});
    objective.add({&outputs, 1}, teachers, batch).backward();
  }
  const Step step = run(kAll[0]);
  CHECK(apart(step.table, student.table.master.grad()) < 1e-12);
  CHECK(apart(step.head, student.head.master.grad()) < 1e-12);
  // The parts are the clean pass's, the adversary's own part the perturbed one's.
  CHECK(step.parts[0].raw == doctest::Approx(plain.parts[0].raw).epsilon(1e-12));
  CHECK(step.value == doctest::Approx(plain.value + step.own().raw).epsilon(1e-12));
  CHECK(step.own().raw == doctest::Approx(plain.value + step.of("gain")).epsilon(1e-9));
}

TEST_CASE("FreeLB is the mean of its passes; one step without a radius is the plain step") {
  const Step one = run("{kind: freelb, radius: 1e-30, steps: 1}"), plain = run(kAll[0], {0, 6}, 3, false);
  CHECK(apart(one.table, plain.table) < 1e-12);
  CHECK(one.value == doctest::Approx(plain.value).epsilon(1e-12));
  const Step three = run(kAll[2]);
  CHECK(three.own().raw == 0);  // its passes are the parts themselves
  CHECK(three.value != doctest::Approx(plain.value).epsilon(1e-9));
}

TEST_CASE("smoothness is the symmetric KL of two passes, with a gradient to both") {
  const Recipe recipe = recipe_of(kAll[3]);
  Objective objective(recipe.losses, true);
  const Batch batch = batch_of(0, 6);
  objective.begin_step({&batch, 1}, {});
  const Tensor a = draw({6, kClasses}, 40).requires_grad_(), b = draw({6, kClasses}, 41).requires_grad_();
  const Outputs one{.heads = {{.dense = a}}, .captured = {}}, other{.heads = {{.dense = b}}, .captured = {}};
  const Tensor value = objective.smoothness(one, other, batch, 2);
  const Tensor p = at::softmax(a, -1), q = at::softmax(b, -1);
  const Tensor expected = 2 * ((p - q) * (p.log() - q.log())).sum() / 6;
  CHECK(value.item<double>() == doctest::Approx(expected.item<double>()).epsilon(1e-12));
  value.backward();
  const Tensor of_a = a.grad().clone(), of_b = b.grad().clone();
  a.mutable_grad() = b.mutable_grad() = Tensor();
  expected.backward();
  CHECK(apart(of_a, a.grad()) < 1e-12);
  CHECK(apart(of_b, b.grad()) < 1e-12);
}

TEST_CASE("SMART's bound is its radius, whatever the size of the gradient") {
  const Step step = run("{kind: smart, radius: 0.02, step_size: 100, deviation: 0.001, weight: 1}");
  double mean = 0;  // every number at the bound: radius sqrt(L H)
  for (const auto length : kLengths) mean += 0.02 * std::sqrt(static_cast<double>(length * kWidth)) / 6;
  CHECK(step.of("norm") <= mean * (1 + 1e-12));
  CHECK(step.of("norm") > 0.9 * mean);
}

TEST_CASE("mix-up takes both examples' targets, each by its share") {
  const Step step = run(kAll[5]);
  CHECK(step.own().raw > 0);
  const Step other = run(kAll[5], {0, 6}, 4);  // another step draws another share
  CHECK(other.own().raw != doctest::Approx(step.own().raw).epsilon(1e-6));
  // An example beside itself is the example.
  Batch alone = batch_of(0, 1, 2);
  CHECK(Examples(alone).to_partner(draw({3, kWidth}, 50), alone).abs().max().item<double>() == 0);
  CHECK(Examples::partners(batch_of(0, 5, 2)) == std::vector<std::int64_t>{1, 0, 3, 2, 4});
}

TEST_CASE("an adversary of weight 0 at this step costs nothing and changes nothing") {
  for (const char* kind : {"fgm", "pgd", "smart", "kd_max", "mix_up"}) {
    const Step step = run(fmt::format("{{kind: {}, weight: 0 over 50% then 1}}", kind)),
               plain = run(kAll[0], {0, 6}, 3, false);
    CHECK(step.forwards == 1);
    CHECK(apart(step.table, plain.table) < 1e-12);
    CHECK(step.value == doctest::Approx(plain.value).epsilon(1e-12));
  }
}

TEST_CASE("rules of the recipe") {
  const auto tells = [](const std::string& recipe, std::string_view what) {
    try {
      parse_recipe(recipe, "test");
    } catch (const Error& error) {
      return std::string_view(error.what()).find(what) != std::string_view::npos;
    }
    return false;
  };
  const std::string base = "task: sst2\ndata: {root: x}\nstudent: {path: s}\n";
  CHECK(tells(base + "adversary: {kind: kd_max}\n", "climbs the loss against the teacher"));
  CHECK(tells(base + "adversary: {kind: fgm, target: perturbed_teacher}\n", "no teacher"));
  CHECK(tells(base + "adversary: {kind: fgm, weight: 0}\n", "throughout"));
  CHECK(tells(base + "adversary: {kind: pgd, radius: 0}\n", "throughout"));
  CHECK(tells(base + "adversary: {kind: mix_up}\ntrain: {batch: 1}\n", "mixes two examples"));
  CHECK(tells(base + "adversary: {kind: freelp}\n", "freelb"));
  CHECK(
      tells("task: language_model\ndata: {root: x, train: a, dev: b}\nstudent: {path: s}\nadversary: {kind: mix_up}\n",
            "one for each token"));
}
