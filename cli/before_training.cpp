#include "cli/before_training.h"

#include <cmath>

#include "core/base/error.h"
#include "core/eval/coverage.h"
#include "core/eval/evaluator.h"
#include "core/eval/perplexity.h"
#include "core/model/model_shape.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

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
  for (const auto& warning : rare_classes(train, bench.data.task)) console.line("warning   {}", warning);
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

}  // namespace dsd
