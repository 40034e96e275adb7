#include "cli/eval_bench.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/base/error.h"
#include "core/config/overrides.h"
#include "core/config/writer.h"
#include "core/formats/checkpoint.h"
#include "core/formats/hf_config.h"
#include "core/formats/locate.h"
#include "core/recipe/load.h"
#include "core/recipe/task_names.h"
#include "core/train/run_folder.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostOfText = 1024;  // tokens of a piece of text, where nobody says

Split split_of(const std::string& name) {
  for (const Split split : {Split::dev, Split::test, Split::train})
    if (name_of(split) == name) return split;
  fail_as(ExitCode::bad_input, "--split is '{}'; expected dev, test or train", name);
}

void add_text(Overrides& overrides, std::string_view key, const std::optional<std::string>& text) {
  if (text) overrides.push_back(text_override(key, *text));
}

// A batch holds one piece at least.
void add_length(Overrides& overrides, std::int64_t length) {
  overrides.push_back(fmt::format("data.max_length={}", length));
  for (const char* key : {"eval.tokens", "train.tokens"})
    overrides.push_back(fmt::format("{}={}", key, std::max<std::int64_t>(length, EvalConfig().tokens)));
}

// The files of a run, and where their text stands.
Overrides files_of_run(const Recipe& run) {
  Overrides overrides;
  add_text(overrides, "data.train", run.data.train);
  add_text(overrides, "data.dev", run.data.dev);
  add_text(overrides, "data.test", run.data.test);
  add_text(overrides, "data.columns.text", run.data.columns.text);
  return overrides;
}

// How the run of a language model read its text.
Overrides text_of_run(const Recipe& run, const EvalOptions& options) {
  Overrides overrides = files_of_run(run);
  add_text(overrides, "data.separator", run.data.separator);
  add_text(overrides, "data.prompt_template", run.data.prompt_template);
  add_text(overrides, "data.columns.prompt", run.data.columns.prompt);
  add_text(overrides, "data.columns.answer", run.data.columns.answer);
  add_text(overrides, "data.columns.input", run.data.columns.input);
  if (run.data.articles) overrides.emplace_back("data.articles=true");
  if (!options.max_length) add_length(overrides, run.data.max_length);
  return overrides;
}

// Pieces of text are as long as every model has positions, within a bound.
std::int64_t default_length(const EvalOptions& options) {
  if (!tells_tokens(options)) return 128;
  std::int64_t length = kMostOfText;
  for (const auto& name : options.models)
    length = std::min(length, most_positions(read_model_config(locate_model(name)).family));
  return length;
}

// Files, columns and labels of a task of one's own, as the run that trained one of the models had them; nothing where
// no model is such a run. Flags come after, and win.
Overrides data_of_run(const EvalOptions& options) {
  const auto own = find_task_name(options.task);
  if (!own || !own->own) return {};
  std::error_code error;
  for (const auto& model : options.models) {
    if (!fs::exists(fs::path(model) / "recipe.yaml", error)) continue;
    const Recipe run = recipe_of_run(model);
    if (run.task != own->name) continue;
    if (own->kind == TaskKind::next_token) return text_of_run(run, options);
    Overrides overrides = files_of_run(run);
    add_text(overrides, "data.columns.text_pair", run.data.columns.text_pair);
    add_text(overrides, "data.columns.label", run.data.columns.label);
    std::vector<std::string> labels;
    for (const auto& label : run.data.labels) labels.push_back(quoted_if_needed(label));
    overrides.push_back(fmt::format("data.labels=[{}]", fmt::join(labels, ", ")));
    return overrides;
  }
  return {};
}

// The flags as a recipe, so that they are read and checked by the same rules.
Recipe recipe_of(const EvalOptions& options) {
  Overrides overrides{text_override("task", options.task), text_override("data.root", options.data),
                      text_override("student.path", options.models.front())};
  add_length(overrides, options.max_length.value_or(default_length(options)));
  for (auto& of_run : data_of_run(options)) overrides.push_back(std::move(of_run));
  if (const fs::path file = options.data; tells_tokens(options) && fs::is_regular_file(file)) {
    overrides.push_back(text_override("data.root", file.has_parent_path() ? file.parent_path().string() : "."));
    for (const char* key : {"data.train", "data.dev", "data.test"})
      overrides.push_back(text_override(key, file.filename().string()));
    if (file.extension() != ".json" && file.extension() != ".jsonl")
      for (const char* key :
           {"data.columns.prompt", "data.columns.answer", "data.columns.input", "data.prompt_template"})
        overrides.push_back(fmt::format("{}=null", key));
  }
  if (options.robust) overrides.emplace_back("eval.robustness={}");
  overrides.insert(overrides.end(), options.overrides.begin(), options.overrides.end());
  return parse_recipe("{}", "the flags", overrides);
}

}  // namespace

bool tells_tokens(const EvalOptions& options) {
  const auto task = find_task_name(options.task);
  return task && task->kind == TaskKind::next_token;
}

EvalBench bench_of(const EvalOptions& options) {
  EvalBench bench{.recipe = recipe_of(options), .task = {}, .split = split_of(options.split), .files = {}};
  bench.task = find_task(bench.recipe.task, bench.recipe.data);
  bench.files = split_files(bench.task, bench.recipe.data, bench.split);
  return bench;
}

}  // namespace dsd
