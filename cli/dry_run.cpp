#include "cli/dry_run.h"

#include "core/model/model_shape.h"

namespace dsd {
namespace {

constexpr std::int64_t kProbeSteps = 20;  // that tell the time

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

}  // namespace

void print_plan(const Recipe& recipe, RunModels& models, const Workbench& bench) {
  Plan plan(bench.data.train, recipe.train.batch, static_cast<std::uint64_t>(recipe.seed));
  const std::int64_t steps = planned_steps(recipe, plan);
  const bool with_teacher = learns_from_teacher(recipe, models);
  const bool language = bench.data.task.kind == TaskKind::next_token;
  const MemoryPlan memory = plan_memory(
      {.student = models.student.get(),
       .teacher = models.teacher.get(),
       .micro_batch_tokens = largest_micro_batch(bench.data.train, plan, recipe.train.tokens, pool_size(recipe), 1000),
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
}

}  // namespace dsd
