// How hard examples are to a teacher, against sums by hand.
#include "core/teacher/difficulty.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tests/check.h"
#include "tests/teacher/support.h"

using namespace dsd;

namespace {

// Logits that hang on an example's first id alone: (id, 0), or the number itself.
class FirstIdTeacher : public Teacher {
 public:
  explicit FirstIdTeacher(std::int64_t classes) : classes_(classes) {}
  Capabilities can() const override { return {.classes = classes_}; }
  TeacherOutputs outputs(const Batch& batch, const Wanted&) override {
    const Sequences& text = batch.streams[0];
    const Tensor first = text.ids.index_select(0, text.offsets.narrow(0, 0, text.count())).to(at::kFloat);
    TeacherOutputs result;
    result.heads.emplace_back(
        Scores{.classes = classes_,
               .dense = classes_ == 1 ? first.unsqueeze(-1) : at::stack({first, at::zeros_like(first)}, -1)});
    return result;
  }

 private:
  std::int64_t classes_;
};

Dataset examples(std::vector<Example> all) {
  Dataset data;
  for (const auto& example : all) data.append(example);
  return data;
}

double entropy(double z) {
  const double p = 1 / (1 + std::exp(-z));
  return -p * std::log(p) - (1 - p) * std::log1p(-p);
}

}  // namespace

TEST_CASE("of classes: the loss against the label, the entropy where there is none") {
  FirstIdTeacher teacher(2);
  const Dataset data = examples(
      {{.ids = {1, 9, 9}, .label = 0}, {.ids = {3}, .label = 1}, {.ids = {2, 9}}, {.ids = {0, 9, 9}, .label = 1}});
  const auto loss = teacher_difficulties(teacher, data, TaskKind::classes, TeacherMeasure::loss, 4);
  const std::vector<double> expected{std::log1p(std::exp(-1.0)), std::log1p(std::exp(3.0)), entropy(2), std::log(2)};
  const auto own = teacher_difficulties(teacher, data, TaskKind::classes, TeacherMeasure::entropy, 4);
  const std::vector<double> entropies{entropy(1), entropy(3), entropy(2), std::log(2)};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(loss[i] == doctest::Approx(expected[i]).epsilon(1e-9));
    CHECK(own[i] == doctest::Approx(entropies[i]).epsilon(1e-9));
  }
}

TEST_CASE("of numbers: the squared error, unknown without one") {
  FirstIdTeacher teacher(1);
  const Dataset data = examples({{.ids = {2}, .value = 0.5f}, {.ids = {1}}});
  const auto loss = teacher_difficulties(teacher, data, TaskKind::values, TeacherMeasure::loss, 100);
  CHECK(loss[0] == doctest::Approx(2.25));
  CHECK(std::isnan(loss[1]));
}

TEST_CASE("over a vocabulary: the mean over a piece's rows, whatever the batches") {
  testing::TokenTeacher teacher;
  std::vector<Example> pieces;
  for (int i = 0; i < 5; ++i) {
    Example piece{.first_target = 1};
    for (int t = 0; t < 3 + i; ++t) piece.ids.push_back((5 * i + 3 * t) % 13);
    pieces.push_back(piece);
  }
  const Dataset data = examples(pieces);
  const auto one = teacher_difficulties(teacher, data, TaskKind::next_token, TeacherMeasure::loss, 1);
  const auto all = teacher_difficulties(teacher, data, TaskKind::next_token, TeacherMeasure::loss, 1000);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    CHECK(one[i] == doctest::Approx(all[i]).epsilon(1e-6));
    const std::int64_t index = static_cast<std::int64_t>(i);
    const Batch batch = make_batch(data, {&index, 1}, TaskKind::next_token, 0);
    const auto outputs = teacher.outputs(batch, {});
    const auto& scores = std::get<Scores>(outputs.heads[0]);
    const Tensor raw = at::linear(scores.hidden, teacher.head.master) * 0.5;
    const Tensor log_p = at::log_softmax(at::tanh(raw / 8) * 8, -1);
    const Tensor labels = std::get<Classes>(batch.labels).of.to(at::kLong);
    CHECK(all[i] == doctest::Approx(-log_p.gather(-1, labels.unsqueeze(-1)).mean().item<double>()).epsilon(1e-5));
  }
}
