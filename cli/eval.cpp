// `dsdistill eval MODEL... --task T --data DIR`: models side by side on one split.

#include <map>
#include <memory>

#include "cli/eval_bench.h"
#include "cli/eval_report.h"
#include "cli/robustness_report.h"
#include "cli/threads.h"
#include "core/base/device.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/eval/labels.h"
#include "core/formats/checkpoint.h"
#include "core/formats/json.h"
#include "core/formats/locate.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSpeedRows = 256;

struct Contestant {
  std::string name;
  fs::path folder;
  std::unique_ptr<Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
  std::shared_ptr<const Dataset> data;
};

std::shared_ptr<const Dataset> tokenise(const EvalBench& bench, const Tokenizer& tokenizer, Console& console) {
  auto data = std::make_shared<Dataset>();
  for (const auto& file : bench.files) data->append(bench.task, bench.recipe.data, file, tokenizer, 0);
  for (const auto& note : data->notes()) console.write_line(note);
  return data;
}

// Models that share a tokenizer share the tokenised split.
std::vector<Contestant> load_models(const EvalOptions& options, const EvalBench& bench, Console& console) {
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

// For tasks with labels.
EvalSettings settings_for(const EvalOptions& options, const EvalBench& bench, Contestant& one) {
  const std::int64_t tokens = bench.recipe.eval.tokens;
  const HeadInfo& head = one.model->config().head;
  ScoreOrder score;
  if (one.data->labelled() > 0) score = order_scorer(*one.model, *one.data, bench.task, tokens);
  // --labels is for models whose own names say nothing; beside one of them, others keep theirs.
  const bool needs_labels = options.models.size() == 1 || has_placeholder_labels(head);
  const LabelRequest request{.model = one.name,
                             .stated = needs_labels ? options.labels : std::vector<std::string>(),
                             .in_recipe = false,
                             .score = std::move(score)};
  return {.columns = match_labels(bench.task, head, request), .tokens = tokens};
}

EvalResult evaluate_one(const EvalOptions& options, const EvalBench& bench, Contestant& one) {
  if (bench.task.kind == TaskKind::next_token) {
    if (frozen_options(one.model->config()).head != HeadKind::next_token)
      fail_as(ExitCode::bad_input, "{}: has no head that tells the next token; perplexity is for decoders", one.name);
    if (const auto most = most_positions(one.model->config().family); bench.recipe.data.max_length > most)
      fail_as(ExitCode::bad_input, "{}: has positions for {} tokens, but --max-length is {}", one.name, most,
              bench.recipe.data.max_length);
    return evaluate(*one.model, *one.data, bench.task, {.tokens = bench.recipe.eval.tokens});
  }
  return evaluate(*one.model, *one.data, bench.task, settings_for(options, bench, one));
}

std::vector<RobustModel> robustness_of(const EvalOptions& options, const EvalBench& bench,
                                       std::vector<Contestant>& models, Console& console) {
  const RobustnessConfig& config = *bench.recipe.eval.robustness;
  std::map<Key128, Dataset> changed;
  std::vector<RobustModel> scores;
  for (auto& one : models) {
    console.line("scoring {} under attack and on misspelt text", one.name);
    Dataset& slips = changed[one.tokenizer->fingerprint()];
    if (slips.size() == 0) slips = misspelt(bench.task, bench.recipe.data, bench.files, *one.tokenizer, config);
    scores.push_back(
        {one.name, robustness_of(*one.model, *one.data, slips, bench.task, config, settings_for(options, bench, one))});
  }
  return scores;
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

std::vector<Speed> speeds_of(const EvalBench& bench, std::span<const Contestant> models, Console& console) {
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
  const EvalBench bench = bench_of(options);
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
                             .speed = std::nullopt,
                             .robust = std::nullopt});
  }
  std::vector<RobustModel> robust;
  if (bench.recipe.eval.robustness) robust = robustness_of(options, bench, models, console);
  if (!options.predictions.empty())
    write_all_predictions(options.predictions, bench.task, *models[0].data, report.models[0].result, console);
  if (options.speed) {
    const auto speeds = speeds_of(bench, models, console);
    for (std::size_t i = 0; i < speeds.size(); ++i) report.models[i].speed = speeds[i];
  }
  for (std::size_t i = 0; i < robust.size(); ++i) report.models[i].robust = robust[i].score;
  if (!options.json.empty()) write_atomically(options.json, json_of(report));
  fmt::print("{}", table_of(report));
  if (!robust.empty()) fmt::print("\n{}", robustness_table(robust, bench.task, *bench.recipe.eval.robustness));
  return static_cast<int>(ExitCode::done);
}

}  // namespace dsd
