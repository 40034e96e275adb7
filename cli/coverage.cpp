// `dsdistill coverage TEACHER --task T --data DIR`: what the training data holds of what a teacher knows.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/eval_bench.h"
#include "cli/threads.h"
#include "core/base/device.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/eval/coverage.h"
#include "core/eval/labels.h"
#include "core/formats/json.h"
#include "core/formats/locate.h"
#include "core/text/tokenizer.h"

namespace dsd {
namespace {

std::string number(double value, std::string_view format) {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(format), value);
}

std::string table_of(const Coverage& coverage) {
  std::size_t width = 5;
  for (const auto& own : coverage.classes) width = std::max(width, own.name.size());
  std::string text = fmt::format("{:<{}}  {:>9}  {:>7}  {:>10}  {:>8}  {:>9}\n", "class", width, "rows", "share %",
                                 "confidence", "entropy", "agrees %");
  for (const auto& own : coverage.classes)
    text += fmt::format("{:<{}}  {:>9}  {:>7}  {:>10}  {:>8}  {:>9}\n", own.name, width, own.rows,
                        number(100 * static_cast<double>(own.rows) / static_cast<double>(coverage.rows), "{:.2f}"),
                        number(own.confidence, "{:.4f}"), number(own.entropy, "{:.4f}"),
                        number(100 * own.agreement, "{:.2f}"));
  text += fmt::format("{} rows, {} of them without a label; {} of the vocabulary's {} tokens occur ({:.1f} %)\n",
                      coverage.rows, coverage.unlabelled, coverage.words_seen, coverage.words,
                      100 * static_cast<double>(coverage.words_seen) / static_cast<double>(coverage.words));
  return text +
         "confidence: mean of the teacher's largest probability; entropy: its mean, in nats; agrees: where the "
         "teacher gives the label\n";
}

Json json_of(const Coverage& coverage, const std::vector<std::string>& warnings) {
  Json json{{"version", 1},
            {"rows", coverage.rows},
            {"unlabelled", coverage.unlabelled},
            {"words_seen", coverage.words_seen},
            {"words", coverage.words},
            {"classes", Json::array()},
            {"warnings", warnings}};
  const auto value = [](double number) { return std::isnan(number) ? Json() : Json(number); };
  for (const auto& own : coverage.classes)
    json["classes"].push_back({{"name", own.name},
                               {"rows", own.rows},
                               {"confidence", value(own.confidence)},
                               {"entropy", value(own.entropy)},
                               {"agreement", value(own.agreement)}});
  return json;
}

}  // namespace

int run_coverage(const EvalOptions& options) {
  if (tells_tokens(options))
    fail_as(ExitCode::bad_input,
            "coverage is told class by class, and a language model has none; `eval --task "
            "perplexity` scores text file by file");
  use_threads(options.threads);
  const EvalBench bench = bench_of(options);
  if (bench.task.kind != TaskKind::classes)
    fail_as(ExitCode::bad_input, "coverage is told class by class, and task '{}' has numbers", bench.task.name);
  const auto folder = locate_model(options.models.front());
  const auto teacher = load_frozen_model(folder);
  const Tokenizer tokenizer = Tokenizer::load(folder);
  Dataset data;
  for (const auto& file : bench.files) data.append(bench.task, bench.recipe.data, file, tokenizer, 0);
  const std::int64_t tokens = bench.recipe.eval.tokens;
  ScoreOrder score;
  if (data.labelled() > 0) score = order_scorer(*teacher, data, bench.task, tokens);
  const auto columns = match_labels(
      bench.task, teacher->config().head,
      {.model = options.models.front(), .stated = options.labels, .in_recipe = false, .score = std::move(score)});
  const Coverage coverage =
      coverage_of(*teacher, data, bench.task, tokenizer.vocab_size(), {.columns = columns, .tokens = tokens});
  const auto warnings = rare_classes(data, bench.task);
  if (!options.json.empty()) write_atomically(options.json, write_json(json_of(coverage, warnings)));
  fmt::print("{}", table_of(coverage));
  for (const auto& warning : warnings) fmt::print("warning: {}\n", warning);
  return static_cast<int>(ExitCode::done);
}

}  // namespace dsd
