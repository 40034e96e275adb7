#include "core/eval/evaluator.h"

#include <cmath>

#include "tests/eval/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using doctest::Approx;
using testing::classes_named;
using testing::kLetterA;
using testing::KnownModel;
using testing::SmallTask;
using Ids = std::vector<std::int32_t>;

// Says "positive" (its logit 1) for a text that opens with a or b.
KnownModel knows_a_and_b() {
  return {classes_named({"negative", "positive"}), [](std::span<const std::int32_t> ids) {
            return std::vector{0.5F, ids[1] <= kLetterA + 1 ? 1.0F : 0.0F};
          }};
}

SmallTask sentences() {
  return {"sst2", "SST-2/dev.tsv", "sentence\tlabel\na\t1\nb c d\t0\nc\t0\nd e\t0\na b c d e\t1\n"};
}

TEST_CASE("predictions come in file order, however batches are cut") {
  for (const std::int64_t tokens : {1, 8, 1000}) {
    SmallTask small = sentences();
    KnownModel model = knows_a_and_b();
    const auto result = evaluate(model, small.data, small.task, {.tokens = tokens});
    CHECK(result.predictions == Ids{1, 1, 0, 0, 1});
    CHECK(result.score() == Approx(0.8).epsilon(1e-15));
    REQUIRE(result.parts.size() == 1);
    CHECK(result.parts[0].rows == 5);
    if (tokens == 1) CHECK(model.tokens_seen == std::vector<std::int64_t>{7, 5, 4, 3, 3});  // the longest first
  }
}

TEST_CASE("logits stand in the order of the task's classes") {
  SmallTask small = sentences();
  KnownModel model = knows_a_and_b();
  const auto turned = evaluate(model, small.data, small.task, {.columns = {1, 0}, .tokens = 8, .keep_logits = true});
  CHECK(turned.predictions == Ids{0, 0, 1, 1, 0});
  CHECK(turned.score() == Approx(0.2).epsilon(1e-15));
  REQUIRE(turned.logits.defined());
  CHECK(turned.logits.size(0) == 5);
  CHECK(turned.logits[2][1].item<float>() == 0.5F);
}

TEST_CASE("parts are scored each, and the score is their mean") {
  testing::Folder folder;
  const std::string head = "sentence1\tsentence2\tgold_label\n";
  folder.write("MNLI/dev_matched.tsv", head + "a\tb\tentailment\nb\tc\tneutral\n");
  folder.write("MNLI/dev_mismatched.tsv", head + "a\tb\tneutral\nc\td\tneutral\na\tc\tneutral\nd\ta\tentailment\n");
  const auto config = testing::data_at(folder.text());
  const Task task = find_task("mnli", config);
  const auto tokenizer = testing::letter_tokenizer(folder);
  Dataset data;
  for (const auto& file : split_files(task, config, Split::dev)) data.append(task, config, file, tokenizer, 0);
  KnownModel model(classes_named(task.labels), [](std::span<const std::int32_t>) {
    return std::vector{1.0F, 0.0F, 0.0F};
  });
  const auto result = evaluate(model, data, task, {});
  REQUIRE(result.parts.size() == 2);
  CHECK(result.parts[0].part == "matched");
  CHECK(result.parts[0].metrics[0].second == 0.5);
  CHECK(result.parts[1].part == "mismatched");
  CHECK(result.parts[1].metrics[0].second == 0.25);
  CHECK(result.score() == 0.375);
}

TEST_CASE("values have correlations") {
  SmallTask small("stsb", "STS-B/dev.tsv", "sentence1\tsentence2\tscore\na\tz\t1.0\nb\tz\t2.0\nd\tz\t4.5\n");
  KnownModel model({.problem_type = ProblemType::regression, .labels = {"LABEL_0"}, .architectures = {}},
                   [](std::span<const std::int32_t> ids) { return std::vector{static_cast<float>(ids[1])}; });
  const auto result = evaluate(model, small.data, small.task, {});
  CHECK(result.values == std::vector<float>{5, 6, 8});
  // (5, 6, 8) and (1, 2, 4.5): products of deviations 16.5 / 3, squares 14 / 3 and 6.5.
  CHECK(result.mean(Metric::pearson) == Approx(5.5 / std::sqrt(14.0 / 3 * 6.5)).epsilon(1e-12));
  CHECK(result.mean(Metric::spearman) == Approx(1).epsilon(1e-12));
}

TEST_CASE("the baseline is the class that is most frequent, or the mean; retention with and without it") {
  const SmallTask small = sentences();
  const Baseline baseline = baseline_of(small.data, small.task);
  CHECK(baseline.majority == 0);
  CHECK(baseline.result.score() == Approx(0.6).epsilon(1e-15));
  const SmallTask values("stsb", "STS-B/dev.tsv", "sentence1\tsentence2\tscore\na\tz\t1.0\nb\tz\t2.0\n");
  CHECK(baseline_of(values.data, values.task).mean == 1.5);
  CHECK(baseline_of(values.data, values.task).result.score() == 0);
  // The lower the perplexity the better: nothing is kept above chance at the baseline's, all at the teacher's.
  CHECK(retention(Metric::perplexity, 20, 16) == 0.8);
  CHECK(chance_corrected_retention(Metric::perplexity, 100, 10, 1000) == Approx(0.5).epsilon(1e-12));
  CHECK(std::isnan(chance_corrected_retention(Metric::perplexity, 20, 1000, 1000)));
  CHECK(is_better(Metric::perplexity, 2, 3));
  CHECK(!is_better(Metric::accuracy, 2, 3));
  CHECK(!is_better(Metric::perplexity, std::nan(""), 3));
  CHECK(retention(Metric::accuracy, 0.8, 0.9) == Approx(8.0 / 9).epsilon(1e-15));
  CHECK(chance_corrected_retention(Metric::accuracy, 0.8, 0.9, 0.6) == Approx(2.0 / 3).epsilon(1e-12));
  CHECK(std::isnan(chance_corrected_retention(Metric::accuracy, 0.8, 0.6, 0.6)));
}

TEST_CASE("a split without labels is predicted, and has no metric") {
  testing::Folder folder;
  folder.write("SST-2/test.tsv", "index\tsentence\n0\ta\n1\tz\n");
  const auto config = testing::data_at(folder.text());
  const Task task = find_task("sst2", config);
  Dataset data;
  data.append(task, config, split_files(task, config, Split::test).front(), testing::letter_tokenizer(folder), 0);
  KnownModel model = knows_a_and_b();
  const auto result = evaluate(model, data, task, {});
  CHECK(result.predictions == Ids{1, 0});
  CHECK(result.parts[0].metrics.empty());
  CHECK(baseline_of(data, task).result.parts.empty());
}

TEST_CASE("another number of outputs is an error") {
  SmallTask small = sentences();
  KnownModel model(classes_named({"a", "b", "c"}), [](std::span<const std::int32_t>) {
    return std::vector{1.0F, 0.0F, 0.0F};
  });
  CHECK(testing::error_of([&] { evaluate(model, small.data, small.task, {}); }) ==
        "the model has 3 outputs, but task 'sst2' needs 2");
}

}  // namespace
}  // namespace dsd
