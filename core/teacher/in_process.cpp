// A frozen model of this process as the teacher.
#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/model/model_shape.h"
#include "core/teacher/teacher.h"

namespace dsd {
namespace {

Capabilities capabilities_of(const ModelConfig& config) {
  const auto labels = static_cast<std::int64_t>(config.head.labels.size());
  const ModelShape shape = shape_of(config.family);
  const bool tells_tokens = frozen_options(config).head == HeadKind::next_token;
  return {.classes = tells_tokens ? vocab_size(config.family) : labels,
          .layers = shape.layers,
          .hidden = shape.hidden,
          .query_width = shape.width(Site::Kind::query),
          .key_width = shape.width(Site::Kind::key),
          .captures = true};
}

class InProcessTeacher : public Teacher {
 public:
  InProcessTeacher(std::shared_ptr<Model> model, std::vector<std::int32_t> columns)
      : model_(std::move(model)), can_(capabilities_of(model_->config())) {
    if (columns.empty()) return;
    for (const std::int32_t column : columns)
      if (column < 0 || column >= can_.classes)
        fail("the teacher has {} logits, so there is none for column {}", can_.classes, column);
    can_.classes = static_cast<std::int64_t>(columns.size());
    columns_ = at::tensor(columns, at::kInt);
  }

  Capabilities can() const override { return can_; }

  TeacherOutputs outputs(const Batch& batch, const Wanted& wanted) override {
    const at::NoGradGuard no_grad;
    Pass pass;
    if (batch.perturbation.defined()) {
      if (batch.perturbation.size(1) != can_.hidden)
        fail("a perturbation of {} numbers a token does not fit the teacher's embeddings of {}",
             batch.perturbation.size(1), can_.hidden);
      pass.embeddings = model_->embed(batch, 0) + batch.perturbation;
    }
    Outputs outputs = model_->forward(batch, wanted, pass);
    TeacherOutputs result;
    for (Scores& scores : outputs.heads) result.heads.emplace_back(in_order(std::move(scores)));
    result.captured = std::move(outputs.captured);
    return result;
  }

 private:
  Scores in_order(Scores scores) const {
    if (!columns_.defined()) return scores;
    if (!scores.dense.defined())
      fail("the teacher's labels can be put in order where its head gives plain logits only");
    scores.dense = scores.dense.index_select(1, columns_.to(scores.dense.device()));
    scores.classes = can_.classes;
    return scores;
  }

  std::shared_ptr<Model> model_;
  Capabilities can_;
  Tensor columns_;  // [C] int32
};

}  // namespace

std::int64_t Capabilities::width(const Site& site) const {
  const bool of_keys = site.kind == Site::Kind::key || site.kind == Site::Kind::value;
  return site.kind == Site::Kind::query ? query_width : of_keys ? key_width : hidden;
}

std::unique_ptr<Teacher> in_process_teacher(std::shared_ptr<Model> model, std::vector<std::int32_t> columns) {
  return std::make_unique<InProcessTeacher>(std::move(model), std::move(columns));
}

}  // namespace dsd
