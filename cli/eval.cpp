// `dsdistill eval MODEL... --task T --data DIR`: models side by side on one split.

#include <fmt/ranges.h>

#include <map>
#include <memory>

#include "cli/commands.h"
#include "cli/eval_report.h"
#include "cli/threads.h"
#include "core/base/device.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/config/overrides.h"
#include "core/config/writer.h"
#include "core/eval/labels.h"
#include "core/formats/checkpoint.h"
#include "core/formats/json.h"
#include "core/formats/locate.h"
#include "core/recipe/load.h"
#include "core/recipe/task_names.h"
#include "core/train/run_folder.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSpeedRows = 256;
constexpr std::int64_t kMostOfText = 1024;  // tokens of a piece of text, where nobody says

struct Bench {
  Recipe recipe;
  Task task;
  Split split = Split::dev;
  std::vector<SplitFile> files;
};

struct Contestant {
  std::string name;
  fs::path folder;
  std::unique_ptr<Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
  std::shared_ptr<const Dataset> data;
};

Split split_of(const std::string& name) {
  for (const Split split : {Split::dev, Split::test, Split::train})
    if (name_of(split) == name) return split;
  fail_as(ExitCode::bad_input, "--split is '{}'; expected dev, test or train", name);
}

void add_text(Overrides& overrides, std::string_view key, const std::optional<std::string>& text) {
  if (text) overrides.push_back(text_override(key, *text));
}

bool tells_tokens(const EvalOptions& options) {
  const auto task = find_task_name(options.task);
  return task && task->kind == TaskKind::next_token;
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
  overrides.insert(overrides.end(), options.overrides.begin(), options.overrides.end());
  return parse_recipe("{}", "the flags", overrides);
}

Bench bench_of(const EvalOptions& options) {
  Bench bench{.recipe = recipe_of(options), .task = {}, .split = split_of(options.split), .files = {}};
  bench.task = find_task(bench.recipe.task, bench.recipe.data);
  bench.files = split_files(bench.task, bench.recipe.data, bench.split);
  return bench;
}

std::shared_ptr<const Dataset> tokenise(const Bench& bench, const Tokenizer& tokenizer, Console& console) {
  auto data = std::make_shared<Dataset>();
  for (const auto& file : bench.files) data->append(bench.task, bench.recipe.data, file, tokenizer, 0);
  for (const auto& note : data->notes()) console.write_line(note);
  return data;
}

// Models that share a tokenizer share the tokenised split.
std::vector<Contestant> load_models(const EvalOptions& options, const Bench& bench, Console& console) {
  const bool on_gpu = options.device == "cuda";
  if (on_gpu) require_cuda();
  std::map<Key128, std::shared_ptr<const Dataset>> tokenised;
  std::vector<Contestant> models;
  for (const auto& name : options.models) {
    Contestant one{.name = name, .folder = locate_model(name), .model = {}, .tokenizer = {}, .data = {}};
    one.model = load_frozen_model(one.folder, options.dtype == "bf16", on_gpu ? at::Device(at::kCUDA) : at::kCPU);
    one.tokenizer = std::make_unique<Tokenizer>(Tokenizer::load(one.folder));
    auto& data = tokenised[one.tokenizer->fingerprint()];
    if (!data) data = tokenise(bench, *one.tokenizer, console);
    one.data = data;
    models.push_back(std::move(one));
  }
  return models;
}

EvalResult evaluate_one(const EvalOptions& options, const Bench& bench, Contestant& one) {
  const std::int64_t tokens = bench.recipe.eval.tokens;
  const HeadInfo& head = one.model->config().head;
  if (bench.task.kind == TaskKind::next_token) {
    if (frozen_options(one.model->config()).head != HeadKind::next_token)
      fail_as(ExitCode::bad_input, "{}: has no head that tells the next token; perplexity is for decoders", one.name);
    if (const auto most = most_positions(one.model->config().family); bench.recipe.data.max_length > most)
      fail_as(ExitCode::bad_input, "{}: has positions for {} tokens, but --max-length is {}", one.name, most,
              bench.recipe.data.max_length);
    return evaluate(*one.model, *one.data, bench.task, {.tokens = tokens});
  }
  ScoreOrder score;
  if (one.data->labelled() > 0) score = order_scorer(*one.model, *one.data, bench.task, tokens);
  // --labels is for models whose own names say nothing; beside one of them, others keep theirs.
  const bool needs_labels = options.models.size() == 1 || has_placeholder_labels(head);
  const LabelRequest request{.model = one.name,
                             .stated = needs_labels ? options.labels : std::vector<std::string>(),
                             .in_recipe = false,
                             .score = std::move(score)};
  return evaluate(*one.model, *one.data, bench.task,
                  {.columns = match_labels(bench.task, head, request), .tokens = tokens});
}

void write_predictions(const fs::path& path, const Task& task, const EvalResult& result, const DatasetPart& part) {
  write_atomically(path, [&](const Sink& sink) {
    sink("index\tprediction\n");
    for (std::int64_t i = part.begin; i < part.end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (task.kind == TaskKind::values) sink(fmt::format("{}\t{}\n", i - part.begin, result.values[at]));
      else sink(fmt::format("{}\t{}\n", i - part.begin, task.labels[static_cast<std::size_t>(result.predictions[at])]));
    }
  });
}

// One file for each part of the split: FILE, or FILE-matched and FILE-mismatched before the ending.
void write_all_predictions(const fs::path& path, const Task& task, const Dataset& data, const EvalResult& result,
                           Console& console) {
  for (const auto& part : data.parts()) {
    fs::path file = path;
    if (!part.name.empty())
      file.replace_filename(fmt::format("{}-{}{}", path.stem().string(), part.name, path.extension().string()));
    write_predictions(file, task, result, part);
    console.line("predictions are in {}", file.string());
  }
}

std::vector<Speed> speeds_of(const Bench& bench, std::span<const Contestant> models, Console& console) {
  std::vector<SpeedCandidate> candidates;
  for (const auto& one : models) candidates.push_back({.model = one.model.get(), .tokenizer = one.tokenizer.get()});
  const auto texts = read_texts(bench.task, bench.recipe.data, bench.files.front(), kSpeedRows);
  console.line("measuring speed on {} rows", texts.size());
  return measure_speed(candidates, texts, {.max_length = bench.recipe.data.max_length});
}

}  // namespace

int run_eval(const EvalOptions& flags) {
  EvalOptions options = flags;
  if (options.task == "perplexity") options.task = "language_model";
  if (tells_tokens(options)) {
    options.speed = false;  // of sentences; what a language model serves is told by `generate`
    if (!options.predictions.empty())
      fail_as(ExitCode::bad_input, "--predictions: a language model scores text; there is nothing to predict");
    if (!options.labels.empty()) fail_as(ExitCode::bad_input, "--labels: a language model has tokens, not labels");
  }
  if (!options.predictions.empty() && options.models.size() > 1)
    fail_as(ExitCode::bad_input, "--predictions takes one model, and {} are given", options.models.size());
  use_threads(options.threads);
  Console console;
  const Bench bench = bench_of(options);
  auto models = load_models(options, bench, console);
  EvalReport report{
      .task = bench.task, .split = bench.split, .models = {}, .baseline = baseline_of(*models[0].data, bench.task)};
  for (auto& one : models) {
    if (bench.task.kind == TaskKind::next_token)
      console.line("scoring {} on {} tokens in {} pieces", one.name, one.data->targets(), one.data->size());
    else console.line("scoring {} on {} rows of {}", one.name, one.data->size(), bench.task.name);
    report.models.push_back({.path = one.name,
                             .result = evaluate_one(options, bench, one),
                             .rows = one.data->size(),
                             .same_tokens = one.data->fingerprint() == models[0].data->fingerprint(),
                             .max_length = bench.recipe.data.max_length,
                             .parameters = one.model->parameter_count(),
                             .bytes = Checkpoint::open(one.folder).total_bytes(),
                             .speed = std::nullopt});
  }
  if (!options.predictions.empty())
    write_all_predictions(options.predictions, bench.task, *models[0].data, report.models[0].result, console);
  if (options.speed) {
    const auto speeds = speeds_of(bench, models, console);
    for (std::size_t i = 0; i < speeds.size(); ++i) report.models[i].speed = speeds[i];
  }
  if (!options.json.empty()) write_atomically(options.json, json_of(report));
  fmt::print("{}", table_of(report));
  return static_cast<int>(ExitCode::done);
}

}  // namespace dsd
