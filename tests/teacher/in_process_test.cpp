#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/teacher/remembered.h"
#include "core/teacher/teacher.h"

#include "tests/check.h"

using namespace dsd;

namespace {

// Gives logits [[1, 2, 3], [10, 20, 30], ...] and says whether gradients were on.
class PlainModel : public Model {
 public:
  PlainModel() {
    config_.head.labels = {"a", "b", "c"};
    weight_.master = at::ones({2, 2});
    parameters_ = {{"weight", &weight_}};
  }
  Outputs forward(const Batch& batch, const Wanted& wanted, const Pass& pass) override {
    CHECK_FALSE(at::GradMode::is_enabled());
    CHECK_FALSE(pass.train);
    Outputs outputs;
    const Tensor tens = at::pow(10, at::arange(batch.rows[0].numel(), at::kFloat)).unsqueeze(1);
    outputs.heads.push_back({.rows = batch.rows[0], .classes = 3, .dense = tens * at::tensor({1.f, 2.f, 3.f})});
    for (const Site& site : wanted.sites) outputs.captured.emplace_back(site, at::ones({1, 1}));
    return outputs;
  }
  Tensor embed(const Batch&, int) override { return {}; }
  std::span<Parameter> parameters() override { return parameters_; }
  const ModelConfig& config() const override { return config_; }

  ModelConfig config_;
  Weight weight_;
  std::vector<Parameter> parameters_;
};

Batch two_examples() {
  Batch batch;
  batch.streams.push_back({.ids = at::zeros({2}, at::kInt), .offsets = at::arange(3, at::kInt)});
  batch.rows.push_back(at::arange(2, at::kInt));
  return batch;
}

}  // namespace

TEST_CASE("a teacher's logits come in the order of the task's classes, its captures too") {
  const auto model = std::make_shared<PlainModel>();
  const auto teacher = in_process_teacher(model, {2, 0});
  CHECK(teacher->can().classes == 2);
  CHECK(teacher->can().captures);
  Wanted wanted;
  wanted.sites.push_back({.kind = Site::Kind::hidden, .layer = 1});
  const TeacherOutputs outputs = teacher->outputs(two_examples(), wanted);
  const auto& scores = std::get<Scores>(outputs.heads.at(0));
  CHECK(scores.classes == 2);
  CHECK(scores.dense.equal(at::tensor({3.f, 1.f, 30.f, 10.f}).view({2, 2})));
  CHECK(outputs.captured.size() == 1);
  CHECK(std::get<Scores>(in_process_teacher(model, {})->outputs(two_examples(), {}).heads.at(0)).dense.size(1) == 3);
  CHECK_THROWS_AS(in_process_teacher(model, {3}), Error);
}

TEST_CASE("the key of a teacher follows all that determines its logits") {
  PlainModel model;
  const std::vector<std::int32_t> columns{0, 1, 2}, other{1, 0, 2};
  const Key128 key = teacher_key(model, columns);
  CHECK(teacher_key(model, columns) == key);
  CHECK(teacher_key(model, other) != key);
  model.weight_.master[1][1] += 1e-6f;
  CHECK(teacher_key(model, columns) != key);
  model.weight_.master[1][1] = 1;
  CHECK(teacher_key(model, columns) == key);
  model.weight_.shadow = model.weight_.master.to(at::kBFloat16);
  CHECK(teacher_key(model, columns) != key);
  model.weight_.shadow = Tensor();
  std::get<BertConfig>(model.config_.family).layer_norm_eps = 1e-5;
  CHECK(teacher_key(model, columns) != key);
}
