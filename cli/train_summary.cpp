#include "cli/train_summary.h"

#include <csignal>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "core/base/program.h"
#include "core/formats/locate.h"
#include "core/recipe/task_names.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

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

// The command that goes on with a stopped run: this one, with the run's folder and --resume.
std::string resume_command(const TrainOptions& options, const fs::path& run) {
  std::string text;
  for (const auto& word : command_line()) text += (text.empty() ? "" : " ") + shell_quoted(word);
  if (options.run.empty()) text += " --run " + shell_quoted(run.string());
  return options.resume ? text : text + " --resume";
}

}  // namespace

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
  // Of the last stage, where there are several.
  json["best_step"] = summary.result.best_step;
  json["best_score"] = number(summary.result.best_score);
  json["teacher_score"] = number(summary.teacher);
  json["baseline_score"] = number(summary.baseline);
  if (summary.cut) json["score_after_cut"] = *summary.cut;
  for (const auto& [name, score] : summary.robust) json["robustness"][name] = robustness_json(score);
  if (!summary.stages.empty()) json["stages"] = nlohmann::ordered_json::array();
  for (const StageRecord& stage : summary.stages)
    json["stages"].push_back({{"name", stage.name},
                              {"steps", stage.steps},
                              {"seconds", stage.seconds},
                              {"best_step", stage.best_step},
                              {"best_score", number(stage.best_score)},
                              {"on_plateau", stage.on_plateau}});
  write_atomically(file, json.dump(2) + "\n");
}

void print_summary(const Summary& summary, Console& console) {
  const auto& [run, recipe, metric, result, teacher, baseline, cut, robust, stages] = summary;
  const std::string student = (run / "student").string();
  std::string scores = result.best_score ? fmt::format("best at step {} of {}: {:.4f}", result.best_step, result.steps,
                                                       *result.best_score)
                       : stages.empty()  ? "not scored: the dev set has no labels"
                                         : "not scored: the last stage trains no head, or the dev set has no labels";
  for (const StageRecord& stage : stages)
    console.line("stage     {}: {} steps in {}{}", stage.name, stage.steps, time_text(stage.seconds),
                 stage.best_score ? fmt::format(", best {:.4f}", *stage.best_score) : "");
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

int stopped(const TrainResult& result, const TrainOptions& options, const fs::path& run, Console& console) {
  console.line("stopped   by {} after step {}; saved. Go on with: {}", result.signal == SIGTERM ? "SIGTERM" : "SIGINT",
               result.steps, resume_command(options, run));
  return 128 + result.signal;
}

}  // namespace dsd
