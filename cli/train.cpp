// `dsdistill train`: builds a run's parts from its recipe, hands them to the one loop, and says what came out.
#include <ATen/Parallel.h>
#include <malloc.h>

#include "cli/after_training.h"
#include "cli/baseline.h"
#include "cli/before_training.h"
#include "cli/commands.h"
#include "cli/dry_run.h"
#include "cli/staged_run.h"
#include "cli/threads.h"
#include "cli/train_summary.h"
#include "core/base/device.h"
#include "core/base/error.h"
#include "core/recipe/load.h"
#include "core/recipe/shelf.h"
#include "core/recipe/stages.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

fs::path run_path(const TrainOptions& options, const Recipe& recipe, const fs::path& file) {
  if (!options.run.empty()) return options.run;
  return options.resume ? newest_run_path(file.string(), recipe.task) : default_run_path(file.string(), recipe.task);
}

// What a command's runs share beside their data.
struct Session {
  const TrainOptions& options;
  const fs::path file;
  const Recipe recipe;
  const int threads;
  Console console;
  StopSignal stop;
};

int finish(const Session& session, const Summary& summary, Console& console) {
  if (!session.options.json.empty()) write_result(session.options.json, summary);
  print_summary(summary, console);
  return 0;
}

int train_one(Session& session) {
  const auto& [options, file, recipe, threads, unused, stop] = session;
  Console& console = session.console;
  const fs::path tokenizer_folder = student_base(recipe);
  const Tokenizer tokenizer = Tokenizer::load(tokenizer_folder);
  RunData data = load_data(recipe, tokenizer);
  RunModels models = load_models(recipe, data);
  require_same_tokenizer(tokenizer, tokenizer_folder, models);
  const Workbench bench{console, stop, data, tokenizer_folder, threads, options.allow_drift};
  print_parts(recipe, models, bench);
  make_objective(recipe, models);  // its faults are told before anything is written
  if (options.dry_run) {
    fmt::print("{}\n", dump_recipe(recipe));
    print_plan(recipe, models, bench);
    return 0;
  }

  Summary summary{.run = run_path(options, recipe, file), .recipe = recipe, .metric = data.task.metrics.front()};
  const RunFolder run = open_run(summary.run, recipe, options.resume);
  console.line("run       {}", summary.run.string());
  summary.teacher = score_teacher(recipe, models, bench);
  if (!options.resume) summary.cut = score_cut(recipe, models, bench);
  summary.result = train_in_folder(recipe, models, bench, run).trained;
  if (summary.result.signal != 0) return stopped(summary.result, options, summary.run, console);
  summary.robust = score_robustness(recipe, models, bench, run.student());
  if (options.baseline && models.teacher) {
    models = {};
    malloc_trim(0);
    const TrainResult baseline = train_baseline(recipe, summary.result.steps, bench, summary.run);
    if (baseline.signal != 0) return stopped(baseline, options, summary.run, console);
    summary.baseline = baseline.best_score;
  }
  return finish(session, summary, console);
}

int plan_stages(const StagedRun& staged) {
  fmt::print("{}\n", dump_recipe(staged.recipe));
  rehearse(staged, [&](std::size_t index, const Recipe& recipe, RunModels& models, const Workbench& bench) {
    fmt::print("{}stage     {} of {}: {}\n", index == 0 ? "" : "\n", index + 1, staged.recipe.stages.size(),
               staged.recipe.stages[index].name);
    fmt::print("student   {}\n", describe_model(*models.student));
    print_plan(recipe, models, bench);
  });
  return 0;
}

// Beside the first stage's teacher.
std::vector<RobustModel> robustness_of_stages(const Recipe& first, const StagedRun& staged, const fs::path& student) {
  RunData data = load_data(first, Tokenizer::load(staged.tokenizer));
  RunModels models = load_models(first, data);
  return score_robustness(first, models, {staged.console, staged.stop, data, staged.tokenizer, staged.threads},
                          student);
}

int train_in_stages(Session& session) {
  const auto& [options, file, recipe, threads, unused, stop] = session;
  Console& console = session.console;
  const StagedRun staged{
      recipe, console, stop, student_base(stage_recipe(recipe, 0, "")), threads, options.allow_drift};
  if (options.dry_run) return plan_stages(staged);
  rehearse(staged, nullptr);
  malloc_trim(0);

  Summary summary{.run = run_path(options, recipe, file), .recipe = stage_recipe(recipe, 0, "")};
  const RunFolder run = open_run(summary.run, recipe, options.resume);
  console.line("run       {}", summary.run.string());
  const StagedResult result = train_stages(staged, run);
  summary.result = result.last, summary.teacher = result.teacher, summary.metric = result.metric;
  summary.stages = result.stages;
  if (result.last.signal != 0) return stopped(result.last, options, summary.run, console);
  if (recipe.eval.robustness) summary.robust = robustness_of_stages(summary.recipe, staged, run.student());
  if (options.baseline && summary.recipe.teacher.path) {
    std::int64_t steps = 0;
    for (const StageRecord& stage : result.stages) steps += stage.steps;
    const Recipe baseline_of = baseline_recipe(recipe);
    RunData data = load_data(baseline_of, Tokenizer::load(staged.tokenizer));
    const Workbench bench{console, stop, data, staged.tokenizer, threads, options.allow_drift};
    const TrainResult baseline = train_baseline(baseline_of, steps, bench, summary.run);
    if (baseline.signal != 0) return stopped(baseline, options, summary.run, console);
    summary.baseline = baseline.best_score;
  }
  return finish(session, summary, console);
}

}  // namespace

int run_train(const TrainOptions& options) {
  const fs::path file = find_recipe(options.recipe);
  const Recipe recipe = resolved(load_recipe(file, options.overrides));
  if (recipe.train.device == DeviceKind::cuda) require_cuda();
  Session session{options, file, recipe, use_threads(options.threads), {}, {}};
  return recipe.stages.empty() ? train_one(session) : train_in_stages(session);
}

}  // namespace dsd
