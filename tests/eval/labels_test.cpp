#include "core/eval/labels.h"

#include "tests/eval/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::classes_named;
using testing::error_of;
using testing::kLetterA;
using testing::KnownModel;
using testing::SmallTask;
using Columns = std::vector<std::int32_t>;

Task task_named(const std::string& name) {
  const testing::Folder folder;
  return find_task(name, testing::data_at(folder.text()));
}

LabelRequest request(std::vector<std::string> stated = {}, bool in_recipe = true) {
  return {.model = "m", .stated = std::move(stated), .in_recipe = in_recipe, .score = {}};
}

TEST_CASE("labels are matched by name, whatever the order and the case, in readable names or the files' own") {
  const Task mnli = task_named("mnli");
  CHECK(match_labels(mnli, classes_named({"CONTRADICTION", "NEUTRAL", "ENTAILMENT"}), request()) == Columns{2, 1, 0});
  CHECK(match_labels(mnli, classes_named({"contradiction", "entailment", "neutral"}), request()) == Columns{1, 2, 0});
  const Task sst2 = task_named("sst2");
  CHECK(match_labels(sst2, classes_named({"POSITIVE", "NEGATIVE"}), request()) == Columns{1, 0});
  CHECK(match_labels(sst2, classes_named({"0", "1"}), request()) == Columns{0, 1});
  CHECK(match_labels(sst2, classes_named({"LABEL_0", "LABEL_1"}), request({"positive", "negative"})) == Columns{1, 0});
  CHECK(match_labels(task_named("wnli"), classes_named({"entailment", "not_entailment"}), request()) == Columns{1, 0});
}

TEST_CASE("label sets that differ are an error") {
  const Task sst2 = task_named("sst2");
  CHECK(error_of([&] {
          match_labels(sst2, classes_named({"good", "bad"}), request());
        }) ==
        "m: its labels (2: good, bad) are not those of task 'sst2' (2: negative, positive); if only their names "
        "differ, say: "
        "teacher.labels: [negative, positive]");
  CHECK(error_of([&] {
          match_labels(sst2, classes_named({"LABEL_0", "LABEL_1", "LABEL_2"}), request());
        }).starts_with("m: its labels (3: LABEL_0, LABEL_1, LABEL_2) are not those of task 'sst2'"));
  CHECK(error_of([&] {
          match_labels(sst2, classes_named({"a", "b"}), request({"negative", "negative"}, false));
        }) ==
        "m: the given labels (2: negative, negative) are not those of task 'sst2' (2: negative, positive); expected "
        "each once: --labels "
        "negative,positive");
  CHECK(error_of([&] {
          match_labels(sst2, classes_named({"a", "b"}), request({"negative"}));
        }) == "m: 1 labels are given, but it has 2 outputs");
  CHECK(error_of([&] { match_labels(sst2, {}, request()); }) ==
        "m: has no head for classes or values; fine-tune it on task 'sst2' first");
  const HeadInfo number{.problem_type = ProblemType::regression, .labels = {"LABEL_0"}, .architectures = {}};
  CHECK(error_of([&] { match_labels(sst2, number, request()); }) ==
        "m: gives a number, but task 'sst2' asks for one of 2 labels; take a model of that task");
  CHECK(match_labels(task_named("stsb"), number, request()).empty());
  CHECK(error_of([&] {
          match_labels(task_named("stsb"), classes_named({"a", "b"}), request());
        }) == "m: has 2 outputs, but task 'stsb' asks for one number; take a model of that task");
}

TEST_CASE("placeholder names are refused with the score of each order and the line to paste") {
  SmallTask small("sst2", "SST-2/dev.tsv", "sentence\tlabel\na\t1\nz\t0\na b\t1\na c\t0\n");
  KnownModel model(classes_named({"LABEL_0", "LABEL_1"}), [](std::span<const std::int32_t> ids) {
    return std::vector{ids[1] == kLetterA ? 1.0F : 0.0F, 0.5F};
  });
  LabelRequest asked = request();
  asked.score = order_scorer(model, small.data, small.task, 100);
  const HeadInfo head = model.config().head;
  CHECK(error_of([&] { match_labels(small.task, head, asked); }) ==
        "m: its labels are only called LABEL_0, LABEL_1, which does not tell their order. Scores of each order on the "
        "labelled rows:\n"
        "  positive, negative: accuracy 0.7500\n"
        "  negative, positive: accuracy 0.2500\n"
        "if the best is right, say: teacher.labels: [positive, negative]");
  CHECK(model.tokens_seen.size() == 1);
  CHECK(
      error_of([&] { match_labels(small.task, head, request({}, false)); }) ==
      "m: its labels are only called LABEL_0, LABEL_1, which does not tell their order; write them in the order of its "
      "logits: --labels negative,positive");
}

TEST_CASE("three classes in all six orders, the best first") {
  const Task mnli = task_named("mnli");
  LabelRequest asked = request();
  asked.score = [](std::span<const std::int32_t> columns) { return columns[0] == 2 && columns[1] == 0 ? 0.9 : 0.1; };
  const auto text = error_of([&] { match_labels(mnli, classes_named({"LABEL_0", "LABEL_1", "LABEL_2"}), asked); });
  CHECK(std::ranges::count(text, '\n') == 7);
  CHECK(text.ends_with("teacher.labels: [neutral, contradiction, entailment]"));
}

}  // namespace
}  // namespace dsd
