#include "core/data/glue.h"

#include <algorithm>

namespace dsd {
namespace {

using enum Metric;

constexpr GlueLabel kEntailment{"entailment", "entailment"};
constexpr GlueLabel kNotEntailment{"not_entailment", "not_entailment"};

std::vector<GlueTask> make_tasks() {
  return {
      {.name = "cola",
       .folder = "CoLA",
       .text = "sentence",
       .text_pair = "",
       .label = "label",
       .labels = {{"0", "unacceptable"}, {"1", "acceptable"}},
       .metrics = {matthews},
       .positive = "1",
       .headless = true},
      {.name = "sst2",
       .folder = "SST-2",
       .text = "sentence",
       .text_pair = "",
       .label = "label",
       .labels = {{"0", "negative"}, {"1", "positive"}},
       .metrics = {accuracy},
       .positive = "1"},
      {.name = "mrpc",
       .folder = "MRPC",
       .text = "#1 String",
       .text_pair = "#2 String",
       .label = "Quality",
       .labels = {{"0", "not_equivalent"}, {"1", "equivalent"}},
       .metrics = {accuracy, f1},
       .positive = "1"},
      {.name = "stsb",
       .folder = "STS-B",
       .text = "sentence1",
       .text_pair = "sentence2",
       .label = "score",
       .labels = {},
       .metrics = {pearson, spearman},
       .positive = ""},
      {.name = "qqp",
       .folder = "QQP",
       .text = "question1",
       .text_pair = "question2",
       .label = "is_duplicate",
       .labels = {{"0", "not_duplicate"}, {"1", "duplicate"}},
       .metrics = {accuracy, f1},
       .positive = "1",
       .broken_rows = true},
      {.name = "mnli",
       .folder = "MNLI",
       .text = "sentence1",
       .text_pair = "sentence2",
       .label = "gold_label",
       .labels = {kEntailment, {"neutral", "neutral"}, {"contradiction", "contradiction"}},
       .metrics = {accuracy},
       .positive = "",
       .two_parts = true,
       .gold_last = true},
      {.name = "qnli",
       .folder = "QNLI",
       .text = "question",
       .text_pair = "sentence",
       .label = "label",
       .labels = {kEntailment, kNotEntailment},
       .metrics = {accuracy},
       .positive = "entailment"},
      {.name = "rte",
       .folder = "RTE",
       .text = "sentence1",
       .text_pair = "sentence2",
       .label = "label",
       .labels = {kEntailment, kNotEntailment},
       .metrics = {accuracy},
       .positive = "entailment"},
      {.name = "wnli",
       .folder = "WNLI",
       .text = "sentence1",
       .text_pair = "sentence2",
       .label = "label",
       .labels = {{"0", "not_entailment"}, {"1", "entailment"}},
       .metrics = {accuracy},
       .positive = "1"},
  };
}

}  // namespace

std::span<const GlueTask> glue_tasks() {
  static const std::vector<GlueTask> tasks = make_tasks();
  return tasks;
}

const GlueTask* find_glue(std::string_view canonical_name) {
  const auto tasks = glue_tasks();
  const auto found = std::ranges::find(tasks, canonical_name, &GlueTask::name);
  return found == tasks.end() ? nullptr : &*found;
}

}  // namespace dsd
