// Losses on features: the papers' formulas as PyTorch computes them (scripts/reference/features_golden.py), golden
// values of an independent implementation, central differences in float64, and the cut of a batch.
#include <cstring>

#include "core/base/error.h"
#include "core/formats/safetensors.h"
#include "tests/check.h"
#include "tests/losses/features.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

class Golden {
 public:
  Tensor at(const std::string& name) const {
    const TensorInfo* info = file_.find(name);
    REQUIRE_MESSAGE(info != nullptr, name);
    const Tensor tensor = at::empty(info->shape, info->dtype == Dtype::f64 ? at::kDouble : at::kInt);
    std::memcpy(tensor.mutable_data_ptr(), info->bytes.data(), info->bytes.size());
    return tensor;
  }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  States states(const char* side, const Wanted& wanted, std::int64_t width) const {
    States states;
    for (const Site& site : wanted.sites)
      states.emplace_back(site, at(fmt::format("{}.{}", side, name_of(site))).narrow(1, 0, width).clone());
    return states;
  }
  Batch batch() const {
    Batch batch;
    const Tensor offsets = at("offsets");
    batch.streams.push_back({.ids = at::zeros({offsets[-1].item<int>()}, at::kInt), .offsets = offsets});
    return batch;
  }

 private:
  SafetensorsFile file_ = SafetensorsFile::open("tests/losses/golden/features.safetensors");
};

void set_projector(FeatureLoss& loss, const Golden& golden) {
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : loss.parameters())
    parameter.weight->master.copy_(
        golden.at(fmt::format("{}.{}", parameter.name.ends_with("bias") ? "b" : "w", loss.name())));
}

std::vector<FeatureLossConfig> all_configs() {
  return {FitNetConfig{},
          EmbeddingConfig{},
          HiddenConfig{},
          AttentionConfig{},
          PatientConfig{},
          MiniLmConfig{},
          MiniLm2Config{.relation_heads = 2, .key_weight = 0.5, .value_weight = 2.0},
          CosineConfig{},
          AttentionTransferConfig{}};
}

std::unique_ptr<FeatureLoss> prepared(const FeatureLossConfig& config, const ModelShapes& shapes, const Batch& batch,
                                      const States& student, const States& teacher) {
  auto loss = make_loss(config, shapes);
  const Outputs outputs{.captured = student};
  const TeacherOutputs target{.captured = teacher};
  loss->look({.student = {&outputs, 1}, .teachers = {&target, 1}, .batch = batch});
  loss->start();
  return loss;
}

}  // namespace

TEST_CASE("losses on features are what PyTorch makes of the papers' formulas, gradients included") {
  const Golden golden;
  const Batch batch = golden.batch();
  for (const auto& config : all_configs()) {
    const bool narrow = std::holds_alternative<PatientConfig>(config);  // of one width
    const std::int64_t width = narrow ? 8 : 12;
    const auto loss = make_loss(config, shapes_of(8, width));
    CAPTURE(std::string(loss->name()));
    set_projector(*loss, golden);
    States student = golden.states("student", loss->student_wants(), 8);
    const States teacher = golden.states("teacher", loss->teacher_wants(), width);
    for (auto& [site, tensor] : student) tensor.requires_grad_();
    const Tensor mean = sum_of(*loss, student, teacher, batch) / loss->count(batch);
    CHECK(mean.item<double>() ==
          doctest::Approx(golden.at(fmt::format("expected.{}", loss->name())).item<double>()).epsilon(1e-12));
    mean.backward();
    for (const auto& [site, tensor] : student) {
      const Tensor expected = golden.at(fmt::format("gradient.{}.{}", loss->name(), name_of(site)));
      CHECK((tensor.grad() - expected).abs().max().item<double>() < 1e-12 * expected.abs().max().item<double>());
    }
    for (const auto& [site, tensor] : teacher) CHECK_FALSE(tensor.requires_grad());
  }
}

TEST_CASE("cosine and pkd have the golden values") {
  const Tensor student = at::tensor({0.3, -0.2, 0.5}, at::kDouble).unsqueeze(0);
  const Tensor teacher = at::tensor({0.1, 0.4, 0.2}, at::kDouble).unsqueeze(0);
  const auto value = [&](const FeatureLossConfig& config) {
    ModelShapes shapes = shapes_of(3, 3, 1);
    shapes.student.layers = shapes.teacher.layers = 1;
    const auto loss = make_loss(config, shapes);
    const States own{{loss->student_wants().sites.at(0), student}}, other{{loss->teacher_wants().sites.at(0), teacher}};
    return sum_of(*loss, own, other, packed({1})).item<double>();
  };
  CHECK(value(CosineConfig{}) == doctest::Approx(0.823001918649).epsilon(1e-11));
  CHECK(value(PatientConfig{.last_layer = true}) == doctest::Approx(1.646003837298).epsilon(1e-11));
  CHECK(value(FitNetConfig{}) == doctest::Approx(0.5 * (0.04 + 0.36 + 0.09)).epsilon(1e-12));
  CHECK(value(HiddenConfig{}) == doctest::Approx((0.04 + 0.36 + 0.09) / 3).epsilon(1e-12));
}

TEST_CASE("every loss on features agrees with central differences, in states and projector alike") {
  const Batch batch = packed({3, 1, 2});
  for (const auto& config : all_configs()) {
    const bool narrow = std::holds_alternative<PatientConfig>(config);
    const ModelShapes shapes = shapes_of(8, narrow ? 8 : 12);
    const auto plain = make_loss(config, shapes);
    CAPTURE(std::string(plain->name()));
    const States student = random_states(plain->student_wants(), shapes.student, 6, 10);
    const States teacher = random_states(plain->teacher_wants(), shapes.teacher, 6, 50);
    const auto loss = prepared(config, shapes, batch, student, teacher);
    States leaves = student;
    for (auto& [site, tensor] : leaves) tensor = tensor.clone().requires_grad_();
    sum_of(*loss, leaves, teacher, batch).backward();
    const auto check = [&](const Tensor& values, const Tensor& gradient, const auto& evaluate) {
      const at::NoGradGuard no_grad;
      for (const std::int64_t i : {std::int64_t{0}, values.numel() / 3, values.numel() / 2 + 1, values.numel() - 1}) {
        const double before = values.view(-1)[i].item<double>(), step = 1e-5;
        values.view(-1)[i] = before + step;
        const double up = evaluate();
        values.view(-1)[i] = before - step;
        const double down = evaluate();
        values.view(-1)[i] = before;
        CHECK(gradient.view(-1)[i].item<double>() == doctest::Approx((up - down) / (2 * step)).epsilon(1e-6).scale(1));
      }
    };
    for (std::size_t i = 0; i < leaves.size(); ++i)
      check(student[i].second, leaves[i].second.grad(),
            [&] { return sum_of(*loss, student, teacher, batch).item<double>(); });
    for (const Parameter& parameter : loss->parameters())
      check(parameter.weight->master.detach(), parameter.weight->master.grad(),
            [&] { return sum_of(*loss, student, teacher, batch).item<double>(); });
  }
}

TEST_CASE("cutting a batch of sequences changes nothing but rounding; sequences do not see each other") {
  const std::vector<std::int32_t> lengths{4, 1, 3, 6, 2};
  const Batch whole = packed(lengths);
  for (const auto& config : all_configs()) {
    const bool narrow = std::holds_alternative<PatientConfig>(config);
    const ModelShapes shapes = shapes_of(8, narrow ? 8 : 12);
    const auto plain = make_loss(config, shapes);
    CAPTURE(std::string(plain->name()));
    const States student = random_states(plain->student_wants(), shapes.student, 16, 10);
    const States teacher = random_states(plain->teacher_wants(), shapes.teacher, 16, 50);
    const auto loss = prepared(config, shapes, whole, student, teacher);
    const double together = sum_of(*loss, student, teacher, whole).item<double>();
    double apart = 0, count = 0;
    std::int64_t at = 0;
    for (const auto& cut : std::vector<std::vector<std::int32_t>>{{4, 1}, {3}, {6, 2}}) {
      const Batch part = packed(cut);
      const std::int64_t end = at + part.streams[0].tokens();
      apart += sum_of(*loss, rows_of(student, at, end), rows_of(teacher, at, end), part).item<double>();
      count += loss->count(part);
      at = end;
    }
    CHECK(apart == doctest::Approx(together).epsilon(1e-12));
    CHECK(count == loss->count(whole));
  }
}

TEST_CASE("equal states cost nothing, and fp32 agrees with float64") {
  const Batch batch = packed({5, 70, 3});
  for (const auto& config : all_configs()) {
    ModelShapes shapes = shapes_of(8, 8);
    shapes.student.layers = 4;
    const auto loss = make_loss(config, shapes);
    CAPTURE(std::string(loss->name()));
    const States states = random_states(loss->student_wants(), shapes.student, 78, 10);
    if (loss->student_wants().sites == loss->teacher_wants().sites)
      CHECK(std::abs(sum_of(*loss, states, states, batch).item<double>()) < 1e-9);
    const States other = random_states(loss->teacher_wants(), shapes.teacher, 78, 70);
    const auto narrow = [](States wide) {
      for (auto& [site, tensor] : wide) tensor = tensor.to(at::kFloat);
      return wide;
    };
    const double exact = sum_of(*loss, states, other, batch).item<double>();
    CHECK(sum_of(*loss, narrow(states), narrow(other), batch).item<double>() == doctest::Approx(exact).epsilon(1e-5));
  }
}

TEST_CASE("what is wanted is the matched sites alone, and never the heads") {
  const auto loss = make_loss(FeatureLossConfig{AttentionConfig{}}, shapes_of(8, 8));
  const Wanted student = loss->student_wants(), teacher = loss->teacher_wants();
  CHECK_FALSE(student.heads);
  CHECK_FALSE(teacher.heads);
  CHECK(student.sites.size() == 4);
  CHECK(teacher.contains({.kind = Site::Kind::query, .layer = 1}));
  CHECK(teacher.contains({.kind = Site::Kind::key, .layer = 3}));
  CHECK_FALSE(teacher.contains({.kind = Site::Kind::value, .layer = 3}));
}

TEST_CASE("what cannot be matched is refused before step 1, and says what to use instead") {
  const auto fault = [](const FeatureLossConfig& config, const ModelShapes& shapes, const char* text) {
    CHECK_THROWS_WITH_AS(make_loss(config, shapes), doctest::Contains(text), Error);
  };
  const auto pairs = [](std::int64_t student, std::int64_t teacher) {
    HiddenConfig config;
    config.pairs = {{student, teacher}};
    return config;
  };
  fault(pairs(3, 1), shapes_of(8, 12), "hidden names layer 3 of the student, which has 2");
  fault(pairs(1, 5), shapes_of(8, 12), "hidden names layer 5 of the teacher, which has 4");
  CHECK_NOTHROW(make_loss(FeatureLossConfig{pairs(0, 0)}, shapes_of(8, 12)));
  HiddenConfig bare;
  bare.projector = ProjectorSide::none;
  fault(bare, shapes_of(8, 12), "width 8 with the teacher's of 12 without a projector; take 'projector: auto'");
  bare.projector = ProjectorSide::teacher_frozen;
  fault(bare, shapes_of(12, 8), "take 'projector: student'");
  ModelShapes heads = shapes_of(8, 12);
  heads.student.heads = heads.student.key_heads = 2;
  fault(AttentionConfig{}, heads, "the student has 2 heads, the teacher 4; use minilm_v2");
  fault(MiniLmConfig{}, heads, "the student has 2 heads, the teacher 4; use minilm_v2");
  CHECK_NOTHROW(make_loss(FeatureLossConfig{MiniLm2Config{}}, heads));
  ModelShapes decoder = shapes_of(8, 8);
  decoder.student.causal = decoder.teacher.causal = true;
  fault(AttentionConfig{}, decoder, "use minilm_v2");
  fault(PatientConfig{}, decoder, "a decoder's first token sees nothing else");
  fault(PatientConfig{}, shapes_of(8, 12), "use hidden or cosine, which have a projector");
  ModelShapes one = shapes_of(8, 8);
  one.student.layers = 1;
  fault(PatientConfig{}, one, "give 'last_layer: true'");
  fault(MiniLm2Config{.relation_heads = 3}, shapes_of(8, 12), "cannot share a width of 8 out to 3 relation heads");
  fault(MiniLm2Config{.query_weight = 0, .key_weight = 0, .value_weight = 0}, shapes_of(8, 8), "weights are 0");
  AttentionConfig entry;
  entry.pairs = {{0, 1}};
  fault(entry, shapes_of(8, 8), "layer 0");
}
