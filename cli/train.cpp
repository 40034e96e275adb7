// `dsdistill train`: builds a run's parts from its recipe, hands them to the one loop, and says what came out.
#include <ATen/Parallel.h>
#include <malloc.h>

#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/threads.h"
#include "cli/training_run.h"
#include "core/base/device.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/program.h"
#include "core/eval/evaluator.h"
#include "core/eval/perplexity.h"
#include "core/formats/locate.h"
#include "core/model/model_shape.h"
#include "core/recipe/load.h"
#include "core/recipe/shelf.h"
#include "core/recipe/task_names.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kProbeSteps = 20;  // that a dry run takes to tell the time

// What a language model must beat: each token told by how often the training set has it.
void print_floor(RunModels& models, const Workbench& bench) {
  const Dataset& dev = bench.data.dev;
  for (const auto& note : dev.notes()) bench.console.line("          {}", note);
  const std::int64_t vocabulary = vocab_size(models.student->config().family);
  const double mean =
      unigram_sum(dev, bench.data.train.target_counts(), 1, vocabulary) / static_cast<double>(dev.targets());
  bench.console.line(
      "floor     perplexity {:.2f} on the dev set by the training set's counts of tokens alone (one added to each of "
      "{})",
      std::exp(mean), vocabulary);
}

void print_parts(const Recipe& recipe, RunModels& models, const Workbench& bench) {
  Console& console = bench.console;
  if (models.teacher) console.line("teacher   {}: {}", models.teacher_folder.string(), describe_model(*models.teacher));
  console.line("student   from {}: {}", models.student_base.string(), describe_model(*models.student));
  for (const auto& line : models.pruned) console.line("pruned    {}", line);
  if (!models.fresh.empty()) console.line("          drawn at random: {}", fmt::join(models.fresh, ", "));
  const Dataset& train = bench.data.train;
  if (bench.data.task.kind == TaskKind::next_token)
    console.line("data      {}: {} pieces to train on, {} tokens to tell; {} pieces to score on, {} tokens",
                 recipe.task, train.size(), train.targets(), bench.data.dev.size(), bench.data.dev.targets());
  else
    console.line("data      {}: {} rows to train on ({} with labels), {} to score on; {} tokens", recipe.task,
                 train.size(), train.labelled(), bench.data.dev.size(), train.tokens());
  for (const auto& note : train.notes()) console.line("          {}", note);
  if (bench.data.task.kind == TaskKind::next_token) print_floor(models, bench);
}

// The teacher is scored before step 1: a wrong order of labels or a broken checkpoint is seen before it is learned
// from.
std::optional<double> score_teacher(const Recipe& recipe, RunModels& models, const Workbench& bench) {
  if (!models.teacher) return std::nullopt;
  const EvalResult result = evaluate(*models.teacher, bench.data.dev, bench.data.task,
                                     {.columns = models.columns, .tokens = recipe.eval.tokens});
  bench.console.line("teacher   {} on the dev set", text_of(scored_of(result)));
  const Metric metric = bench.data.task.metrics.front();
  if (recipe.teacher.floor && is_better(metric, *recipe.teacher.floor, result.score()))
    fail_as(ExitCode::refused, "the teacher {} scores {:.4f}, {} teacher.floor {:.4f}; nothing was trained",
            models.teacher_folder.string(), result.score(), lower_is_better(metric) ? "above" : "below",
            *recipe.teacher.floor);
  return result.score();
}

// What the cut has left of the model that the student was cut out of.
std::optional<double> score_cut(const Recipe& recipe, RunModels& models, const Workbench& bench) {
  if (models.pruned.empty() || bench.data.dev.labelled() == 0) return std::nullopt;
  const EvalResult result =
      evaluate(*models.student, bench.data.dev, bench.data.task, {.columns = {}, .tokens = recipe.eval.tokens});
  bench.console.line("pruned    {} on the dev set, before step 1", text_of(scored_of(result)));
  return result.score();
}

void require_same_tokenizer(const Tokenizer& student, const fs::path& student_folder, const RunModels& models) {
  if (!models.teacher || models.teacher_folder == models.student_base) return;
  if (Tokenizer::load(models.teacher_folder).fingerprint() != student.fingerprint())
    fail_as(ExitCode::bad_input,
            "the tokenizers of the teacher {} and of the student {} differ: the same text would be other tokens to "
            "each; take "
            "a student that starts from the teacher, or a checkpoint with its tokenizer",
            models.teacher_folder.string(), student_folder.string());
}

// Of a row that the teacher's head reads.
std::int64_t remembered_bytes(const Recipe& recipe, RunModels& models, const Task& task) {
  if (!models.teacher) return 0;
  if (task.kind != TaskKind::next_token)
    return 4 * static_cast<std::int64_t>(std::max<std::size_t>(1, task.labels.size()));
  if (recipe.teacher.keep == TeacherKeep::top_k) return 8 * recipe.teacher.top_k + 4;
  const std::int64_t width = recipe.teacher.keep_dtype == TrainDtype::bf16 ? 2 : 4;
  return width * hidden_size(models.teacher->config().family);
}

// Of a token whose states losses on features read.
std::int64_t captured_bytes(const Recipe& recipe, RunModels& models) {
  if (!models.teacher) return 0;
  const Objective objective = make_objective(recipe, models);
  const ModelShape shape = shape_of(models.teacher->config().family);
  std::int64_t numbers = 0;
  for (const Site& site : objective.teacher_wants().sites) numbers += shape.width(site.kind);
  return numbers * (recipe.teacher.keep_dtype == TrainDtype::bf16 ? 2 : 4);
}

int dry_run(const Recipe& recipe, RunModels& models, const Workbench& bench) {
  Plan plan(bench.data.train, recipe.train.batch, static_cast<std::uint64_t>(recipe.seed));
  const std::int64_t steps = planned_steps(recipe, plan);
  const bool with_teacher = learns_from_teacher(recipe, models);
  const bool language = bench.data.task.kind == TaskKind::next_token;
  const MemoryPlan memory =
      plan_memory({.student = models.student.get(),
                   .teacher = models.teacher.get(),
                   .micro_batch_tokens = largest_micro_batch(bench.data.train, plan, recipe.train.tokens,
                                                             pool_size(recipe.losses, recipe.train.batch), 1000),
                   .examples = bench.data.train.size(),
                   .tokens = bench.data.train.tokens(),
                   .rows = language ? bench.data.train.targets() : bench.data.train.size(),
                   .row_bytes = remembered_bytes(recipe, models, bench.data.task),
                   .token_bytes = captured_bytes(recipe, models),
                   .vocabulary = language ? vocab_size(models.student->config().family) : 0,
                   .bf16 = recipe.train.dtype == TrainDtype::bf16,
                   .remember = recipe.teacher.remember && with_teacher,
                   .budget_mib = recipe.teacher.budget_mib});
  const TrainResult probe = train_probe(recipe, models, bench, kProbeSteps);
  const double step_seconds = probe.seconds / static_cast<double>(probe.steps);

  fmt::print("{}\n", dump_recipe(recipe));
  fmt::print("steps     {} ({} an epoch), {} examples each\n", steps, plan.steps_per_epoch(), recipe.train.batch);
  fmt::print("tokens    {} in the training set, about {:.0f} in all\n", bench.data.train.tokens(),
             static_cast<double>(probe.tokens) / static_cast<double>(probe.steps) * static_cast<double>(steps));
  fmt::print(
      "time      about {} for the steps ({:.1f} ms each over {} steps{}), without scoring\n",
      time_text(step_seconds * static_cast<double>(steps)), step_seconds * 1e3, probe.steps,
      with_teacher && recipe.teacher.remember ? "; less after the first epoch, when the teacher is remembered" : "");
  fmt::print("memory    about {:.0f} MiB at the peak (these {} steps took {:.0f})\n", memory.total() / 1048576,
             probe.steps, peak_memory() / 1048576);
  for (const auto& [name, bytes] : memory.parts) fmt::print("          {:7.0f} MiB  {}\n", bytes / 1048576, name);
  return 0;
}

// The same student, start and budget, on hard labels alone.
Recipe baseline_of(const Recipe& recipe, std::int64_t steps) {
  Recipe baseline = recipe;
  baseline.losses.soft_weight = 0;
  baseline.losses.hard_weight = 1;
  baseline.losses.features.clear();
  baseline.data.unlabelled.clear();
  if (baseline.data.curriculum && baseline.data.curriculum->by != Difficulty::length) baseline.data.curriculum.reset();
  baseline.train.epochs = 1e9;  // max_steps ends it
  baseline.train.max_steps = steps;
  return baseline;
}

// What `eval` must be told of a task of one's own, which a GLUE task's name says by itself.
std::string task_flags(const Recipe& recipe) {
  if (!require_task_name(recipe.task).own) return "";
  const auto set = [](std::string_view key, const std::string& text) {
    return fmt::format(" --set data.{}={}", key, shell_quoted(text));
  };
  const auto& columns = recipe.data.columns;
  const auto& text = columns.text;
  const auto& pair = columns.text_pair;
  const auto& label = columns.label;
  std::string flags;
  if (recipe.data.train) flags += set("train", *recipe.data.train);
  if (recipe.data.dev) flags += set("dev", *recipe.data.dev);
  if (text != "text") flags += set("columns.text", text);
  if (pair) flags += set("columns.text_pair", *pair);
  if (label != "label") flags += set("columns.label", label);
  return flags;
}

struct Summary {
  fs::path run;
  Recipe recipe;
  Metric metric = Metric::accuracy;  // that models are chosen by
  TrainResult result;
  std::optional<double> teacher, baseline, cut;
};

void write_result(const fs::path& file, const Summary& summary) {
  nlohmann::ordered_json json{{"version", 1}, {"writer", "dsdistill"}};
  json["run"] = summary.run.string();
  json["student"] = (summary.run / "student").string();
  json["task"] = summary.recipe.task;
  json["steps"] = summary.result.steps;
  json["skipped_steps"] = summary.result.skipped_steps;
  json["seconds"] = summary.result.seconds;
  json["examples"] = summary.result.examples;
  json["tokens"] = summary.result.tokens;
  json["peak_memory_bytes"] = peak_memory();
  const auto number = [](const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  };
  json["metric"] = name_of(summary.metric);
  json["lower_is_better"] = lower_is_better(summary.metric);
  json["best_step"] = summary.result.best_step;
  json["best_score"] = number(summary.result.best_score);
  json["teacher_score"] = number(summary.teacher);
  json["baseline_score"] = number(summary.baseline);
  if (summary.cut) json["score_after_cut"] = *summary.cut;
  write_atomically(file, json.dump(2) + "\n");
}

void print_summary(const Summary& summary, Console& console) {
  const auto& [run, recipe, metric, result, teacher, baseline, cut] = summary;
  const std::string student = (run / "student").string();
  std::string scores = result.best_score ? fmt::format("best at step {} of {}: {:.4f}", result.best_step, result.steps,
                                                       *result.best_score)
                                         : "not scored: the dev set has no labels";
  if (teacher) scores += fmt::format("; teacher {:.4f}", *teacher);
  if (cut) scores += fmt::format("; right after the cut {:.4f}", *cut);
  if (baseline && result.best_score)
    scores += fmt::format("; the same student on labels alone {:.4f}: distilling gains {:+.4f}", *baseline,
                          lower_is_better(metric) ? *baseline - *result.best_score : *result.best_score - *baseline);
  console.line("done      the student is in {}; {}", student, scores);
  if (result.skipped_steps > 0)
    console.line("          {} steps were not finite and changed nothing", result.skipped_steps);
  const std::string program = program_name(), quoted_run = shell_quoted(run.string());
  const std::string models = (teacher ? shell_quoted(*recipe.teacher.path) + " " : "") + quoted_run;
  if (metric == Metric::perplexity)
    console.line("next      {} eval {} --task perplexity --data {}", program, models,
                 shell_quoted((fs::path(recipe.data.root) / recipe.data.dev.value_or("")).string()));
  else
    console.line("next      {} eval {} --task {} --data {}{}", program, models, recipe.task,
                 shell_quoted(recipe.data.root), task_flags(recipe));
  console.line("          {} export {} {} --scheme bf16", program, quoted_run,
               shell_quoted((run / "exported").string()));
}

// The command that goes on with a stopped run: this one, with the run's folder and --resume.
std::string resume_command(const TrainOptions& options, const fs::path& run) {
  std::string text;
  for (const auto& word : command_line()) text += (text.empty() ? "" : " ") + shell_quoted(word);
  if (options.run.empty()) text += " --run " + shell_quoted(run.string());
  return options.resume ? text : text + " --resume";
}

int stopped(const TrainResult& result, const TrainOptions& options, const fs::path& run, Console& console) {
  console.line("stopped   by {} after step {}; saved. Go on with: {}", result.signal == SIGTERM ? "SIGTERM" : "SIGINT",
               result.steps, resume_command(options, run));
  return 128 + result.signal;
}

// Trains the baseline in a folder of its own below the run's. A signal ends it as it ends the main run.
TrainResult train_baseline(const Recipe& recipe, std::int64_t steps, const Workbench& bench, const fs::path& run) {
  const Recipe labels_only = baseline_of(recipe, steps);
  bench.console.line("baseline  the same student on labels alone, {} steps", steps);
  RunData labelled = load_data(labels_only, Tokenizer::load(bench.tokenizer));
  Workbench own{bench.console, bench.stop, labelled, bench.tokenizer, bench.threads, bench.allow_drift};
  RunModels models = load_models(labels_only, labelled);
  const RunFolder folder = open_run(run / "baseline", labels_only, fs::exists(run / "baseline"));
  return train_in_folder(labels_only, models, own, folder);
}

fs::path run_path(const TrainOptions& options, const Recipe& recipe, const fs::path& file) {
  if (!options.run.empty()) return options.run;
  return options.resume ? newest_run_path(file.string(), recipe.task) : default_run_path(file.string(), recipe.task);
}

}  // namespace

int run_train(const TrainOptions& options) {
  Console console;
  const StopSignal stop;
  const fs::path file = find_recipe(options.recipe);
  const Recipe recipe = resolved(load_recipe(file, options.overrides));
  if (recipe.train.device == DeviceKind::cuda) require_cuda();
  const int threads = use_threads(options.threads);

  const fs::path tokenizer_folder = student_base(recipe);
  const Tokenizer tokenizer = Tokenizer::load(tokenizer_folder);
  RunData data = load_data(recipe, tokenizer);
  RunModels models = load_models(recipe, data);
  require_same_tokenizer(tokenizer, tokenizer_folder, models);
  const Workbench bench{console, stop, data, tokenizer_folder, threads, options.allow_drift};
  print_parts(recipe, models, bench);
  make_objective(recipe, models);  // its faults are told before anything is written
  if (options.dry_run) return dry_run(recipe, models, bench);

  Summary summary{.run = run_path(options, recipe, file), .recipe = recipe, .metric = data.task.metrics.front()};
  const RunFolder run = open_run(summary.run, recipe, options.resume);
  console.line("run       {}", summary.run.string());
  summary.teacher = score_teacher(recipe, models, bench);
  if (!options.resume) summary.cut = score_cut(recipe, models, bench);
  summary.result = train_in_folder(recipe, models, bench, run);
  if (summary.result.signal != 0) return stopped(summary.result, options, summary.run, console);
  if (options.baseline && models.teacher) {
    models = {};
    malloc_trim(0);
    const TrainResult baseline = train_baseline(recipe, summary.result.steps, bench, summary.run);
    if (baseline.signal != 0) return stopped(baseline, options, summary.run, console);
    summary.baseline = baseline.best_score;
  }
  if (!options.json.empty()) write_result(options.json, summary);
  print_summary(summary, console);
  return 0;
}

}  // namespace dsd
