#include "cli/training_run.h"

#include <unistd.h>

#include <cmath>

#include "core/base/error.h"
#include "core/eval/evaluator.h"
#include "core/export/model_folder.h"
#include "core/model/model_shape.h"
#include "core/recipe/check_features.h"
#include "core/recipe/load.h"
#include "core/recipe/task_names.h"
#include "core/teacher/difficulty.h"
#include "core/train/first_look.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMebibyte = 1 << 20;

AdamWSettings adam_settings(const TrainConfig& train) {
  return {.beta1 = train.beta1, .beta2 = train.beta2, .epsilon = train.epsilon, .weight_decay = train.weight_decay};
}

std::optional<ModelShapes> shapes_of(const Recipe& recipe, RunModels& models) {
  if (!models.teacher) return std::nullopt;
  return ModelShapes{
      .student = shape_of(models.student->config().family),
      .teacher = shape_of(models.teacher->config().family),
      .device = recipe.train.device == DeviceKind::cuda ? at::Device(at::kCUDA) : at::Device(at::kCPU),
      .random = {.seed = static_cast<std::uint64_t>(recipe.seed), .purpose = Purpose::weights, .pass = 1}};
}

// The parts that a loop needs and nobody else: they live as long as it runs.
struct Loop {
  Loop(const Recipe& recipe, RunModels& models, const Workbench& bench)
      : plan(bench.data.train, recipe.train.batch, static_cast<std::uint64_t>(recipe.seed)),
        steps(planned_steps(recipe, plan)),
        objective(make_objective(recipe, models)),
        parameters(all_parameters(*models.student, objective)),
        optimiser(trained(parameters), adam_settings(recipe.train)),
        adversary(recipe.adversary ? make_adversary(*recipe.adversary) : nullptr) {
    const ExpertDecoderConfig* experts = experts_of(models.student->config().family);
    if (experts != nullptr && experts->router_aux_loss_coef > 0) objective.add_balance(experts->router_aux_loss_coef);
  }

  static std::vector<Parameter> all_parameters(Model& student, const Objective& objective) {
    const auto own = student.parameters();
    std::vector<Parameter> all(own.begin(), own.end());
    for (const Parameter& parameter : objective.parameters()) all.push_back(parameter);
    return all;
  }

  // A projector that is frozen is in the checkpoint alone.
  static std::vector<Parameter> trained(std::vector<Parameter> all) {
    std::erase_if(all, [](const Parameter& parameter) { return !parameter.weight->master.requires_grad(); });
    return all;
  }

  TrainerParts parts(const Recipe& recipe, RunModels& models, const Workbench& bench) {
    return {.settings = recipe.train,
            .eval = recipe.eval,
            .learning_rate = recipe.schedules.learning_rate,
            .seed = static_cast<std::uint64_t>(recipe.seed),
            .steps = steps,
            .pool = pool_size(recipe),
            .kind = bench.data.task.kind,
            .student = models.student.get(),
            .teacher = store ? store.get() : direct.get(),
            .store = store.get(),
            .data = &bench.data.train,
            .plan = &plan,
            .objective = &objective,
            .optimiser = &optimiser,
            .adversary = adversary.get(),
            .stop = &bench.stop};
  }

  Plan plan;
  std::int64_t steps;
  Objective objective;
  std::vector<Parameter> parameters;  // the student's and the losses', as a checkpoint holds them
  AdamW optimiser;
  std::unique_ptr<Adversary> adversary;      // or none
  std::unique_ptr<Teacher> direct;           // none where labels alone are learned from
  std::unique_ptr<RememberedTeacher> store;  // over it, where it is remembered
  std::string shared_store;                  // the file's name, where stages share it
};

// What a teacher's top-k is kept at; `recipe check` sees to it that it does not change.
double fixed_temperature(const Recipe& recipe) {
  return value(std::get<ScheduledTemperature>(recipe.losses.temperature.value_or(ScheduledTemperature{1.0})).value, {});
}

RememberedForm form_of(const Recipe& recipe, const Objective& objective) {
  using Kind = RememberedForm::Kind;
  RememberedForm form{.dtype = recipe.teacher.keep_dtype == TrainDtype::bf16 ? at::kBFloat16 : at::kFloat,
                      .sites = objective.teacher_wants().sites};
  if (require_task_name(recipe.task).kind != TaskKind::next_token) return form;
  form.kind = recipe.teacher.keep == TeacherKeep::top_k ? Kind::top_k : Kind::hidden;
  if (form.kind == Kind::top_k) form.top_k = recipe.teacher.top_k, form.temperature = fixed_temperature(recipe);
  return form;
}

// Of all that a store must agree in to be shared: the teacher, and what is kept of its outputs.
std::string shared_store_name(const Key128& teacher, const RememberedForm& form) {
  Hasher hasher;
  hasher.text(teacher.hex()).number(static_cast<std::uint64_t>(form.kind)).text(at::toString(form.dtype));
  hasher.number(static_cast<std::uint64_t>(form.top_k)).bytes(&form.temperature, sizeof form.temperature);
  for (const Site& site : form.sites) hasher.text(fmt::format("{}", name_of(site)));
  return fmt::format("teacher-{}.store", hasher.key().hex().substr(0, 16));
}

// `file` is where a remembered teacher keeps its outputs; `shared`: it is a folder, with a file for each teacher and
// form.
void add_teacher(Loop* loop, const Recipe& recipe, RunModels& models, fs::path file, bool shared = false) {
  if (!learns_from_teacher(recipe, models)) return;
  loop->direct = in_process_teacher(models.teacher, models.columns);
  if (!recipe.teacher.remember) return;
  const Key128 key = teacher_key(*models.teacher, models.columns);
  const RememberedForm form = form_of(recipe, loop->objective);
  if (shared) {
    loop->shared_store = shared_store_name(key, form);
    file /= loop->shared_store;
  }
  loop->store =
      std::make_unique<RememberedTeacher>(*loop->direct, file, key, recipe.teacher.budget_mib * kMebibyte, form);
}

// Projectors start from the first batches, unless a checkpoint holds them; what is matched is printed either way.
void look_at_features(Loop* loop, const Recipe& recipe, RunModels& models, const Workbench& bench, bool anew) {
  if (!loop->objective.has_features()) return;
  if (anew)
    first_look(loop->objective, {.student = models.student.get(),
                                 .teacher = loop->store ? static_cast<Teacher*>(loop->store.get()) : loop->direct.get(),
                                 .data = &bench.data.train,
                                 .plan = &loop->plan,
                                 .kind = bench.data.task.kind,
                                 .tokens = recipe.train.tokens});
  for (const auto& line : loop->objective.matches()) bench.console.line("features  {}", line);
}

std::vector<double> difficulties_of(Loop* loop, const Recipe& recipe, const Workbench& bench, Difficulty by) {
  const Dataset& data = bench.data.train;
  if (by != Difficulty::length)
    return teacher_difficulties(loop->store ? *loop->store : *loop->direct, data, bench.data.task.kind,
                                by == Difficulty::teacher_loss ? TeacherMeasure::loss : TeacherMeasure::entropy,
                                recipe.train.tokens);
  std::vector<double> lengths;
  for (std::int64_t i = 0; i < data.size(); ++i) lengths.push_back(static_cast<double>(data.length(i)));
  return lengths;
}

// After the store has been cut: what the teacher reads for it is remembered.
void add_curriculum(Loop* loop, const Recipe& recipe, const Workbench& bench) {
  const auto& config = recipe.data.curriculum;
  if (!config) return;
  const auto difficulties = difficulties_of(loop, recipe, bench, config->by);
  Curriculum curriculum{
      .competence = config->competence, .easiest_first = easiest_first(difficulties), .steps = loop->steps};
  const auto at = [&](std::size_t place) {
    return difficulties[static_cast<std::size_t>(curriculum.easiest_first[place])];
  };
  const std::size_t size = difficulties.size();
  bench.console.line(
      "order     easy examples first: {} is {:.3g}, {:.3g} and {:.3g} at the first, the middle and the last",
      EnumNames<Difficulty>::names[static_cast<std::size_t>(config->by)].first, at(0), at(size / 2), at(size - 1));
  loop->plan.follow(std::move(curriculum));
}

void require_same_run(const CheckpointMeta& then, const CheckpointMeta& now, const Workbench& bench) {
  if (then.recipe != now.recipe)
    fail_as(ExitCode::bad_input, "the checkpoint of step {} belongs to another recipe", then.step);
  if (then.data != now.data)
    fail_as(ExitCode::bad_input, "the training data has changed since the checkpoint of step {} was saved", then.step);
  if (then.threads != now.threads && !bench.allow_drift)
    fail_as(ExitCode::bad_input,
            "the run began with {} threads and would go on with {}, which sum in another order; give --threads {}, or "
            "--allow-drift to accept other bits",
            then.threads, now.threads, then.threads);
}

// Puts the newest checkpoint in place; none when the run starts anew. A store that the recipe names is other runs' too,
// and what it holds depends on the examples alone: only the run's own is cut back, to `held` where it starts anew.
std::optional<CheckpointMeta> restore_newest(Loop* loop, const Workbench& bench, const RunFolder& run,
                                             const CheckpointMeta& now, bool own_store, std::int64_t held) {
  if (run.resumed) {
    const auto loaded = newest_checkpoint(run.path, [&](std::string_view line) { bench.console.write_line(line); });
    if (loaded) {
      require_same_run(loaded->meta, now, bench);
      loaded->restore(loop->parameters, loop->optimiser);
      loop->objective.restore(loaded->losses_state());
      if (loop->store && own_store) loop->store->cut(loaded->meta.store_length);
      bench.console.line("resume    from the checkpoint of step {}", loaded->meta.step);
      return loaded->meta;
    }
    bench.console.line("resume    {} holds no checkpoint: starting anew", run.path.string());
  }
  if (loop->store && own_store) loop->store->cut(held);
  return std::nullopt;
}

std::int64_t held_before(const StageRun& stage, const std::string& store) {
  for (const auto& [file, length] : stage.held)
    if (file == store) return length;
  return 0;
}

}  // namespace

std::int64_t planned_steps(const Recipe& recipe, const Plan& plan) {
  const double of_epochs = std::ceil(recipe.train.epochs * static_cast<double>(plan.steps_per_epoch()) - 1e-9);
  const auto steps = std::max<std::int64_t>(1, static_cast<std::int64_t>(of_epochs));
  return recipe.train.max_steps ? std::min(steps, *recipe.train.max_steps) : steps;
}

bool learns_from_teacher(const Recipe& recipe, const RunModels& models) {
  const bool reads_it = extremes(recipe.losses.soft_weight).second > 0 || has_features(recipe.losses);
  return models.teacher && reads_it;
}

Objective make_objective(const Recipe& recipe, RunModels& models) {
  return {recipe.losses, learns_from_teacher(recipe, models), shapes_of(recipe, models)};
}

Scored scored_of(const EvalResult& result) {
  Scored scored;
  for (const auto& part : result.parts)
    for (const auto& [metric, score] : part.metrics)
      scored.emplace_back(
          part.part.empty() ? std::string(name_of(metric)) : fmt::format("{} {}", part.part, name_of(metric)), score);
  return scored;
}

std::string text_of(const Scored& scored) {
  std::string text;
  for (const auto& [name, score] : scored) text += fmt::format("{}{} {:.4f}", text.empty() ? "" : ", ", name, score);
  return text.empty() ? "no labels to score on" : text;
}

FolderResult train_in_folder(const Recipe& recipe, RunModels& models, const Workbench& bench, const RunFolder& run,
                             const StageRun* stage) {
  Loop loop(recipe, models, bench);
  const bool own_store = !recipe.teacher.store;
  const bool shared = own_store && stage != nullptr;
  add_teacher(&loop, recipe, models,
              own_store ? (shared ? stage->stores : run.store()) : fs::path(*recipe.teacher.store), shared);
  const CheckpointMeta now{.threads = bench.threads,
                           .recipe = Hasher().text(stage ? stage->identity : dump_recipe(recipe)).key().hex(),
                           .data = bench.data.train.fingerprint().hex()};
  if (loop.store && recipe.teacher.store)
    bench.console.line("store     {}: {} examples are remembered there", *recipe.teacher.store, loop.store->length());
  const auto start =
      restore_newest(&loop, bench, run, now, own_store, stage ? held_before(*stage, loop.shared_store) : 0);
  add_curriculum(&loop, recipe, bench);
  look_at_features(&loop, recipe, models, bench, !start);
  RunLog log(run.log(), start ? std::optional(start->step) : std::nullopt);
  ConsoleReport report(bench.console);

  TrainerParts parts = loop.parts(recipe, models, bench);
  parts.log = &log;
  parts.console = &report;
  if (!stage || stage->scored)
    parts.evaluate = [&] {
      return scored_of(evaluate(*models.student, bench.data.dev, bench.data.task, {.tokens = recipe.eval.tokens}));
    };
  parts.lower_is_better = lower_is_better(bench.data.task.metrics.front());
  parts.save = [&](const CheckpointMeta& meta) {
    CheckpointMeta whole = meta;
    whole.threads = now.threads, whole.recipe = now.recipe, whole.data = now.data;
    save_checkpoint(run.path, whole, loop.parameters, loop.optimiser, loop.objective.state());
  };
  const auto write_student = [&] {
    write_folder_atomically(run.student(), true, [&](const fs::path& folder) {
      write_model(*models.student, bench.tokenizer, folder, at::kFloat);
    });
  };
  parts.save_best = write_student;
  const TrainResult result = Trainer(std::move(parts)).run(start);
  // Where nothing was scored there is no best one, and the next stage goes on from the last.
  if (stage && result.signal == 0 && !result.best_score) write_student();
  if (const auto tail = loop.store ? loop.store->mean_tail() : std::nullopt)
    bench.console.line(
        "kept      the teacher's {} likeliest tokens of {} at temperature {}; the rest holds {:.2f} % on the "
        "average",
        recipe.teacher.top_k, loop.store->can().classes, fixed_temperature(recipe), 100 * *tail);
  FolderResult outcome{.trained = result, .store = {}};
  if (!loop.shared_store.empty()) outcome.store = StoreMark{loop.shared_store, loop.store->length()};
  return outcome;
}

TrainResult train_probe(const Recipe& recipe, RunModels& models, const Workbench& bench, std::int64_t steps) {
  const fs::path file = fs::temp_directory_path() / fmt::format("dsdistill-probe-{}.store", ::getpid());
  Loop loop(recipe, models, bench);
  add_teacher(&loop, recipe, models, file);
  add_curriculum(&loop, recipe, bench);
  look_at_features(&loop, recipe, models, bench, true);
  TrainerParts parts = loop.parts(recipe, models, bench);
  parts.steps = std::min(parts.steps, steps);
  const TrainResult result = Trainer(std::move(parts)).run(std::nullopt);
  std::error_code ignored;
  fs::remove(file, ignored);
  return result;
}

}  // namespace dsd
