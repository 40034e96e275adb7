// Adversaries over fused models: what attacks leave alone, what reaches the word table, dropout that stays, heads over
// a vocabulary, and a teacher perturbed alike.
#include "core/base/error.h"
#include "core/recipe/load.h"
#include "core/train/perturbed_passes.h"
#include "core/train/robustness.h"
#include "tests/check.h"
#include "tests/model/batches.h"

using namespace dsd;

namespace {

std::unique_ptr<Model> encoder(double dropout, bool trainable = true) {
  return random_model(small_config(dropout), {.head = HeadKind::classes, .outputs = 3, .trainable = trainable},
                      {.seed = 5, .purpose = Purpose::weights});
}

std::unique_ptr<Model> decoder(bool trainable = true) {
  const LlamaConfig llama{.vocab_size = 23,
                          .hidden_size = 16,
                          .num_hidden_layers = 2,
                          .num_attention_heads = 2,
                          .num_key_value_heads = 1,
                          .head_dim = 8,
                          .intermediate_size = 20,
                          .initializer_range = 0.3};
  return random_model({.family = llama, .head = {}, .json = {}},
                      {.head = HeadKind::next_token, .outputs = 1, .trainable = trainable},
                      {.seed = trainable ? 6u : 7u, .purpose = Purpose::weights});
}

// Gradients by name; a table's rows made dense, and cleared for the next step.
std::map<std::string, Tensor> gradients_of(Model& model) {
  std::map<std::string, Tensor> all;
  for (Parameter& parameter : model.parameters()) {
    Weight& weight = *parameter.weight;
    Tensor gradient =
        weight.master.grad().defined() ? weight.master.grad().clone() : at::zeros_like(weight.master).detach();
    if (auto& rows = weight.row_gradient; rows && !rows->rows.empty()) {
      const auto count = static_cast<std::int64_t>(rows->rows.size());
      gradient.index_add_(0, at::tensor(rows->rows, at::kInt), rows->values.narrow(0, 0, count));
      for (const auto row : rows->rows) rows->slot[static_cast<std::size_t>(row)] = -1;
      rows->rows.clear();
    }
    if (weight.master.grad().defined()) weight.master.mutable_grad().zero_();
    all[parameter.name] = gradient.detach();
  }
  return all;
}

double apart(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  double most = 0;
  for (const auto& [name, gradient] : a)
    most = std::max(most, ((gradient - b.at(name)).abs().max() / (gradient.abs().max() + 1e-6)).item<double>());
  return most;
}

struct Bench {
  std::unique_ptr<Model> student, teacher;
  std::unique_ptr<Teacher> in_process;
  Batch batch;
  LossesConfig losses;

  explicit Bench(bool vocabulary, double dropout = 0) {
    batch = make_batch(random_texts({4, 7, 2}, 23, 3));
    student = vocabulary ? decoder() : encoder(dropout);
    teacher = vocabulary ? decoder(false) : encoder(0, false);
    in_process = in_process_teacher(std::shared_ptr<Model>(std::move(teacher)), {});
    batch.labels = Classes{at::tensor({0, 2, 1}, at::kInt)};
    if (vocabulary) {
      batch.rows = {at::arange(0, 13, at::kInt)};
      batch.labels = Classes{at::arange(0, 13, at::kInt)};
    } else {
      batch.rows.clear();
    }
    losses =
        resolved(parse_recipe("task: sst2\ndata: {root: x}\nteacher: {path: t}\nlosses: {temperature: 2}\n", "test"))
            .losses;
  }

  std::map<std::string, Tensor> step(const std::optional<AdversaryConfig>& config,
                                     std::vector<PartReport>* parts = {}) {
    Objective objective(losses, true);
    objective.begin_step({&batch, 1}, {});
    const std::vector<TeacherOutputs> teachers{in_process->outputs(batch, {})};
    const Pass pass{.train = true, .dropout = {.seed = 2, .purpose = Purpose::dropout, .step = 4}};
    std::vector<PartReport> own;
    if (config) {
      const auto method = make_adversary(*config);
      PerturbedPasses passes(*method, *student, objective, in_process.get());
      passes.begin_step({}, {.seed = 2, .purpose = Purpose::adversary, .step = 4});
      passes.backward(batch, teachers, {}, {}, pass);
      passes.report(objective.finish_step(&own), &own);
    } else {
      const Outputs outputs = student->forward(batch, {}, pass);
      objective.add({&outputs, 1}, teachers, batch).backward();
      objective.finish_step(&own);
    }
    if (parts != nullptr) *parts = own;
    return gradients_of(*student);
  }
};

double number(const std::vector<PartReport>& parts, std::string_view key) {
  for (const auto& [name, value] : parts.back().in_force)
    if (name == key) return value;
  throw std::logic_error("no such number");
}

}  // namespace

TEST_CASE("embeddings in place of the look-up give the plain gradient, the word table's rows included") {
  for (const bool vocabulary : {false, true}) {
    CAPTURE(vocabulary);
    Bench bench(vocabulary, vocabulary ? 0 : 0.2);
    const auto plain = bench.step(std::nullopt);
    CHECK(plain.at("embeddings.words.weight").abs().max().item<double>() > 0);
    CHECK(apart(plain, bench.step(FreeLbConfig{.radius = 0.0, .steps = 1})) < 1e-5);
    CHECK(apart(plain, bench.step(FreeLbConfig{.radius = 0.0, .steps = 3})) < 1e-5);  // the same dropout in every pass
  }
}

TEST_CASE("passes of an attack leave no gradient behind") {
  for (const bool vocabulary : {false, true}) {
    CAPTURE(vocabulary);
    Bench bench(vocabulary);
    const auto plain = bench.step(std::nullopt);
    for (const AdversaryConfig& config :
         {AdversaryConfig(PgdConfig{.weight = 1e-7, .steps = 4}),
          AdversaryConfig(KdMaxConfig{.weight = 1e-7, .steps = 3}),
          AdversaryConfig(SmartConfig{.weight = 1e-7, .radius = 0.1, .step_size = 0.1, .steps = 3})})
      CHECK(apart(plain, bench.step(config)) < 1e-5);
  }
}

TEST_CASE("every adversary gains on fused models, over classes and over a vocabulary") {
  const std::vector<AdversaryConfig> all{FgmConfig{.radius = 0.3}, PgdConfig{.radius = 0.3, .step_size = 0.1},
                                         FreeLbConfig{.radius = 0.5, .step_size = 0.2, .steps = 3},
                                         SmartConfig{.radius = 0.02, .deviation = 0.005, .step_size = 0.01, .steps = 2},
                                         KdMaxConfig{.radius = 0.3, .step_size = 0.15, .steps = 3}};
  for (const bool vocabulary : {false, true})
    for (const auto& config : all) {
      Bench bench(vocabulary);
      std::vector<PartReport> parts;
      bench.step(config, &parts);
      CAPTURE(vocabulary);
      CAPTURE(parts.back().name);
      CHECK(number(parts, "gain") > 0);
      CHECK(number(parts, "norm") > 0);
    }
}

TEST_CASE("smoothness over a vocabulary has the gradient of dense logits") {
  Bench bench(true);
  Objective objective(bench.losses, true);
  objective.begin_step({&bench.batch, 1}, {});
  const Tensor words = bench.student->embed(bench.batch, 0).detach();
  const Tensor shift = 0.1 * at::sin(at::arange(words.numel(), at::kFloat)).view(words.sizes());
  const auto outputs = [&](const Tensor& by) {
    return bench.student->forward(bench.batch, {}, {.train = true, .embeddings = words + by});
  };
  const Outputs one = outputs(at::zeros_like(words)), other = outputs(shift);
  const Tensor value = objective.smoothness(other, one, bench.batch, 1);
  value.backward();
  const auto walked = gradients_of(*bench.student);
  const auto logits = [&](const Outputs& of) {
    return at::linear(of.heads[0].hidden, of.heads[0].weight->master);  // no bias, no cap
  };
  const Tensor p = at::softmax(logits(outputs(at::zeros_like(words))), -1), q = at::softmax(logits(outputs(shift)), -1);
  const Tensor dense = ((p - q) * (p.log() - q.log())).sum() / 13;
  CHECK(value.item<double>() == doctest::Approx(dense.item<double>()).epsilon(1e-4));
  dense.backward();
  CHECK(apart(walked, gradients_of(*bench.student)) < 1e-3);
}

TEST_CASE("a teacher perturbed alike gives another target, and must be as wide") {
  Bench bench(false);
  std::vector<PartReport> clean, perturbed;
  bench.step(PgdConfig{.radius = 1.0, .step_size = 0.5}, &clean);
  bench.step(PgdConfig{.radius = 1.0, .step_size = 0.5, .target = AdversaryTarget::perturbed_teacher}, &perturbed);
  CHECK(clean.back().raw != doctest::Approx(perturbed.back().raw).epsilon(1e-6));
  auto narrow = small_config();
  std::get<BertConfig>(narrow.family).hidden_size = 8;
  bench.student = random_model(narrow, {.head = HeadKind::classes, .outputs = 3}, {.purpose = Purpose::weights});
  CHECK_THROWS_WITH_AS(bench.step(PgdConfig{.target = AdversaryTarget::perturbed_teacher}),
                       doctest::Contains("embeddings of one width"), Error);
}
