// Losses on features inside the objective: one normaliser whatever the cut, beside dense scores and beside the walk
// over a vocabulary; their parameters; and nothing captured where nothing asks.
#include "core/base/random.h"
#include "core/recipe/load.h"
#include "core/train/objective.h"
#include "tests/check.h"

using namespace dsd;

namespace {

constexpr std::int64_t kSequences = 5, kClasses = 3;
const std::vector<std::int32_t> kLengths{3, 1, 4, 2, 5};

LossesConfig resolved_losses(std::string_view extra) {
  const auto text = fmt::format("task: sst2\ndata: {{root: x}}\nteacher: {{path: t}}\nlosses: {{{}}}\n", extra);
  return resolved(parse_recipe(text, "test")).losses;
}

ModelShapes shapes() {
  const ModelShape student{.layers = 2, .hidden = 4, .heads = 2, .key_heads = 2, .head_width = 2};
  const ModelShape teacher{.layers = 4, .hidden = 6, .heads = 2, .key_heads = 2, .head_width = 3};
  return {.student = student,
          .teacher = teacher,
          .dtype = at::kDouble,
          .random = {.seed = 1, .purpose = Purpose::weights, .pass = 1}};
}

Tensor draw(at::IntArrayRef shape, std::uint32_t which) {
  const auto values = normal_numbers(c10::multiply_integers(shape), 1, {.seed = 4, .step = which});
  return at::tensor(values, at::kFloat).view(shape).to(at::kDouble);
}

struct Run {
  std::map<Site, Tensor> student, teacher;  // leaves [T, width]
  Tensor logits = draw({kSequences, kClasses}, 1).requires_grad_(), target = draw({kSequences, kClasses}, 2);
  std::vector<std::int64_t> bounds{0};

  explicit Run(const Objective& objective) {
    for (const auto length : kLengths) bounds.push_back(bounds.back() + length);
    std::uint32_t which = 10;
    for (const Site& site : objective.student_wants().sites)
      student[site] = draw({bounds.back(), shapes().student.width(site.kind)}, which++).requires_grad_();
    for (const Site& site : objective.teacher_wants().sites)
      teacher[site] = draw({bounds.back(), shapes().teacher.width(site.kind)}, which++);
  }

  Batch batch(std::size_t from, std::size_t to) const {
    std::vector<std::int32_t> offsets{0};
    for (std::size_t s = from; s < to; ++s) offsets.push_back(offsets.back() + kLengths[s]);
    Batch batch;
    batch.streams.push_back({.ids = at::zeros({offsets.back()}, at::kInt), .offsets = at::tensor(offsets, at::kInt)});
    batch.rows = {batch.streams[0].offsets.slice(0, 0, -1)};
    batch.labels = Classes{at::zeros({static_cast<std::int64_t>(to - from)}, at::kInt)};
    return batch;
  }
  Outputs outputs(std::size_t from, std::size_t to) const {
    Outputs outputs;
    const auto a = static_cast<std::int64_t>(from), b = static_cast<std::int64_t>(to);
    outputs.heads.push_back({.dense = logits.slice(0, a, b)});
    for (const auto& [site, tensor] : student)
      outputs.captured.emplace_back(site, tensor.slice(0, bounds[from], bounds[to]));
    return outputs;
  }
  TeacherOutputs targets(std::size_t from, std::size_t to) const {
    TeacherOutputs targets;
    const auto a = static_cast<std::int64_t>(from), b = static_cast<std::int64_t>(to);
    targets.heads.emplace_back(Scores{.dense = target.slice(0, a, b)});
    for (const auto& [site, tensor] : teacher)
      targets.captured.emplace_back(site, tensor.slice(0, bounds[from], bounds[to]));
    return targets;
  }

  std::vector<PartReport> step(Objective& objective, const std::vector<std::size_t>& cuts, double* value,
                               Progress progress = {}) {
    for (auto& [site, tensor] : student) tensor.mutable_grad() = Tensor();
    for (const Parameter& parameter : objective.parameters()) parameter.weight->master.mutable_grad() = Tensor();
    logits.mutable_grad() = Tensor();
    std::vector<Batch> batches;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) batches.push_back(batch(cuts[i], cuts[i + 1]));
    objective.begin_step(batches, progress);
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const Outputs own = outputs(cuts[i], cuts[i + 1]);
      const TeacherOutputs other = targets(cuts[i], cuts[i + 1]);
      objective.add({&own, 1}, {&other, 1}, batches[i]).backward();
    }
    std::vector<PartReport> parts;
    *value = objective.finish_step(&parts);
    return parts;
  }
  void look(Objective& objective, const std::vector<std::size_t>& cuts) const {
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
      objective.look(outputs(cuts[i], cuts[i + 1]), targets(cuts[i], cuts[i + 1]), batch(cuts[i], cuts[i + 1]));
    objective.start();
  }
};

constexpr std::string_view kAll =
    "features: [{loss: {kind: hidden, shared_projector: false}, weight: 0.5}, {loss: {kind: fitnet, projector: "
    "teacher_frozen}}, {loss: {kind: cosine, projector: teacher_orthogonal}}, {loss: {kind: minilm_v2}, weight: 2}, "
    "{loss: {kind: attention_transfer}}, {loss: {kind: attention}}, {loss: {kind: embedding}, weight: 0}]";

}  // namespace

TEST_CASE("cutting a step into micro-batches changes nothing but rounding, projectors' gradients and starts included") {
  Objective objective(resolved_losses(kAll), true, shapes());
  Run run(objective);
  const std::vector<std::size_t> whole{0, kSequences};
  run.look(objective, whole);
  std::vector<Tensor> starts;
  for (const Parameter& parameter : objective.parameters()) starts.push_back(parameter.weight->master.detach().clone());
  double value = 0;
  const auto parts = run.step(objective, whole, &value);
  REQUIRE(parts.size() == 8);
  CHECK(parts[2].name == "features.0.hidden");
  CHECK(parts[2].weight == 0.5);
  CHECK(parts[7].name == "features.5.attention");  // a weight of 0 has no part
  std::vector<Tensor> gradients;
  for (const auto& [site, tensor] : run.student) gradients.push_back(tensor.grad().clone());
  for (const Parameter& parameter : objective.parameters()) gradients.push_back(parameter.weight->master.grad());
  for (const auto& cuts : std::vector<std::vector<std::size_t>>{{0, 1, 5}, {0, 2, 3, 5}, {0, 1, 2, 3, 4, 5}}) {
    Objective again(resolved_losses(kAll), true, shapes());
    Run other(again);
    other.look(again, cuts);
    const auto parameters = again.parameters();
    REQUIRE(parameters.size() == starts.size());
    for (std::size_t i = 0; i < starts.size(); ++i)
      CHECK((parameters[i].weight->master - starts[i]).abs().max().item<double>() < 1e-9);
    double cut = 0;
    other.step(again, cuts, &cut);
    CHECK(cut == doctest::Approx(value).epsilon(1e-9));
    run.step(objective, cuts, &cut);
    CHECK(cut == doctest::Approx(value).epsilon(1e-12));
    std::size_t i = 0;
    for (const auto& [site, tensor] : run.student)
      CHECK((tensor.grad() - gradients[i++]).abs().max().item<double>() < 1e-12);
    for (const Parameter& parameter : objective.parameters())
      if (const Tensor& gradient = parameter.weight->master.grad(); gradient.defined())
        CHECK((gradient - gradients[i++]).abs().max().item<double>() < 1e-12);
      else ++i;
  }
}

TEST_CASE("the value is weight x mean of each part; every part moves the student, and no part the teacher") {
  Objective objective(resolved_losses(kAll), true, shapes());
  Run run(objective);
  run.look(objective, {0, kSequences});
  double value = 0, sum = 0;
  for (const auto& part : run.step(objective, {0, kSequences}, &value)) {
    sum += part.raw * part.factor * part.weight;
    CHECK(part.raw > 0);
    CHECK_FALSE(part.skipped);
  }
  CHECK(sum == doctest::Approx(value).epsilon(1e-12));
  for (const auto& [site, tensor] : run.student) CHECK(tensor.grad().abs().max().item<double>() > 0);
  for (const auto& [site, tensor] : run.teacher) CHECK_FALSE(tensor.grad().defined());
}

TEST_CASE("the weight of a loss on features follows its schedule, and its captures are wanted where it ever has one") {
  Objective objective(
      resolved_losses("soft_weight: 0, hard_weight: 0 -> 1 in 2 stages, features: [{loss: {kind: hidden}, "
                      "weight: 2 -> 0 linear over 50%}, {loss: {kind: cosine}, weight: '0, warm-up 10%'}]"),
      true, shapes());
  Run run(objective);
  run.look(objective, {0, kSequences});
  CHECK(objective.teacher_wants().sites.size() == 2);  // of the first alone
  double value = 0;
  const auto early = run.step(objective, {0, kSequences}, &value, {.step = 1, .steps = 8});
  REQUIRE(early.size() == 3);
  CHECK(early[2].weight == 1.5);
  CHECK(value == doctest::Approx(1.5 * early[2].raw).epsilon(1e-12));
  CHECK(objective.needs_teacher({.step = 3, .steps = 8}));
  const auto late = run.step(objective, {0, kSequences}, &value, {.step = 4, .steps = 8});
  CHECK(late[2].skipped);
  CHECK(value == doctest::Approx(late[1].raw).epsilon(1e-12));
  CHECK_FALSE(objective.needs_teacher({.step = 4, .steps = 8}));
}

TEST_CASE("parameters have names of their own and a factor on the learning rate; a frozen projector has no gradient") {
  Objective objective(resolved_losses("features: [{loss: {kind: hidden, projector_learning_rate: 10}}, {loss: {kind: "
                                      "cosine, projector: teacher_frozen}}]"),
                      true, shapes());
  const auto parameters = objective.parameters();
  REQUIRE(parameters.size() == 3);
  CHECK(parameters[0].name == "losses.features.0.projector.weight");
  CHECK(parameters[1].name == "losses.features.0.projector.bias");
  CHECK(parameters[2].name == "losses.features.1.projector.weight");
  CHECK(parameters[0].lr_factor == 10);
  CHECK_FALSE(parameters[2].weight->master.requires_grad());
}

TEST_CASE("captures are wanted only where a loss with a weight asks, and a teacher of features alone is asked") {
  const Objective plain(resolved_losses("temperature: 2.0"), true, shapes());
  CHECK(plain.student_wants().sites.empty());
  CHECK(plain.teacher_wants().sites.empty());
  CHECK_FALSE(plain.has_features());
  const Objective none(resolved_losses("features: [{loss: {kind: hidden}, weight: 0}]"), true, shapes());
  CHECK(none.student_wants().sites.empty());
  const Objective without(resolved_losses("features: [{loss: {kind: hidden}}]"), false);
  CHECK_FALSE(without.has_features());
  const Objective alone(resolved_losses("soft_weight: 0, hard_weight: 0, features: [{loss: {kind: hidden}}]"), true,
                        shapes());
  CHECK(alone.needs_teacher({}));
  CHECK(alone.teacher_wants().sites.size() == 2);
  CHECK_FALSE(alone.parameters().empty());
}

TEST_CASE("matches are told with their shapes and, once looked at, how alike they are") {
  Objective objective(resolved_losses("features: [{loss: {kind: hidden, layers: last}}]"), true, shapes());
  CHECK(objective.matches().at(0) ==
        "hidden: student's hidden.1 [T, 4] with teacher's hidden.3 [T, 6], projector on the student's side");
  const Run run(objective);
  run.look(objective, {0, kSequences});
  CHECK(objective.matches().at(1).find("teacher's hidden.4 [T, 6], projector on the student's side; linear CKA 0.") !=
        std::string::npos);
}
