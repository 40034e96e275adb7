#include "cli/staged_run.h"

#include <malloc.h>

#include "cli/before_training.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/config/writer.h"
#include "core/model/freeze.h"
#include "core/recipe/load.h"
#include "core/recipe/stages.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

// The data of the stage at work, loaded anew only where a stage reads other data.
class StageData {
 public:
  explicit StageData(const fs::path& tokenizer) : tokenizer_(Tokenizer::load(tokenizer)) {}

  RunData& of(const Recipe& recipe) {
    DataConfig config = recipe.data;
    std::string key = write_tree(describe_fields(config));
    if (key != key_) {
      data_.reset();
      data_.emplace(load_data(recipe, tokenizer_));
      key_ = std::move(key);
    }
    return *data_;
  }

 private:
  Tokenizer tokenizer_;
  std::string key_;
  std::optional<RunData> data_;
};

// The teacher stays where the next stage's is the same.
void keep_teacher(ModelsAtHand* at_hand, const Recipe& recipe, const RunModels& models) {
  if (!models.teacher || models.teacher == at_hand->student) return;
  at_hand->teacher_path = *recipe.teacher.path;
  at_hand->teacher_bf16 = recipe.train.dtype == TrainDtype::bf16;
  at_hand->teacher = models.teacher;
}

std::string stage_title(const Recipe& recipe, std::size_t index) {
  return fmt::format("{} of {}: {}", index + 1, recipe.stages.size(), recipe.stages[index].name);
}

// What a stage's checkpoints belong to: the whole recipe, which names its stages without the run's paths.
std::string identity_of(const Recipe& recipe, std::size_t index) {
  return fmt::format("{}# stage {}\n", dump_recipe(recipe), index);
}

RunFolder open_stage(const fs::path& path, const Recipe& recipe) {
  RunFolder folder{.path = path, .resumed = fs::exists(path / "recipe.yaml")};
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("{}: cannot make the folder: {}", path.string(), error.message());
  write_atomically(folder.recipe(),
                   "# The effective recipe of this stage, every default written out.\n" + dump_recipe(recipe));
  return folder;
}

void copy_folder(const fs::path& from, const fs::path& to) {
  write_folder_atomically(to, true, [&](const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(from))
      fs::copy_file(entry.path(), folder / entry.path().filename());
  });
}

class Stages {
 public:
  Stages(const StagedRun& run, const RunFolder& folder) : run_(run), folder_(folder), data_(run.tokenizer) {}

  StagedResult train() {
    for (std::size_t i = 0; i < run_.recipe.stages.size(); ++i) {
      const fs::path path = stage_folder(folder_.path, i, run_.recipe.stages[i].name);
      if (const auto record = folder_.resumed ? read_stage_record(path) : std::nullopt) {
        run_.console.line("stage     {}: done before, {}", stage_title(run_.recipe, i), score_text(record->best_score));
        done(*record, path);
        continue;
      }
      if (!train_stage(i, path)) return std::move(result_);
    }
    copy_folder(student_, folder_.student());
    return std::move(result_);
  }

 private:
  static std::string score_text(const std::optional<double>& score) {
    return score ? fmt::format("score {:.4f}", *score) : "without a score";
  }

  void done(const StageRecord& record, const fs::path& path) {
    student_ = path / "student";
    result_.last.steps = record.steps, result_.last.best_step = record.best_step;
    result_.last.best_score = record.best_score;
    std::erase_if(held_, [&](const StoreMark& mark) { return mark.file == record.store; });
    if (!record.store.empty()) held_.push_back({record.store, record.held});
    result_.stages.push_back(record);
  }

  // A teacher is scored once; a student that has become one was scored as a student.
  void score(std::size_t index, const Recipe& recipe, RunModels& models, const Workbench& bench) {
    if (learns_from_previous(run_.recipe.stages[index])) return require_floor(recipe, bench.data.task.metrics.front());
    if (!models.teacher || recipe.teacher.path == scored_) return;
    const auto teacher = score_teacher(recipe, models, bench);
    if (!result_.teacher) result_.teacher = teacher;
    scored_ = *recipe.teacher.path;
  }

  void require_floor(const Recipe& recipe, Metric metric) const {
    const auto& floor = recipe.teacher.floor;
    const auto& reached = result_.last.best_score;
    if (floor && (!reached || is_better(metric, *floor, *reached)))
      fail_as(ExitCode::refused, "the student before, which is to teach, has {}, not teacher.floor {:.4f}",
              score_text(reached), *floor);
  }

  // False where a signal ended it.
  bool train_stage(std::size_t index, const fs::path& path) {
    const Recipe recipe = stage_recipe(run_.recipe, index, student_);
    RunData& data = data_.of(recipe);
    const Workbench bench{run_.console, run_.stop, data, run_.tokenizer, run_.threads, run_.allow_drift};
    run_.console.line("stage     {}, in {}", stage_title(run_.recipe, index), path.string());
    RunModels models = load_models(recipe, data, at_hand_);
    print_parts(recipe, models, bench);
    result_.metric = data.task.metrics.front();
    const bool scored = trains_scores(recipe);
    if (!scored)
      run_.console.line("          no score: its losses train no head; the student is that of the last step");
    score(index, recipe, models, bench);
    score_cut(recipe, models, bench);
    keep_teacher(&at_hand_, recipe, models);
    const StageRun stage{
        .identity = identity_of(run_.recipe, index), .stores = folder_.path, .held = held_, .scored = scored};
    const FolderResult outcome = train_in_folder(recipe, models, bench, open_stage(path, recipe), &stage);
    result_.last = outcome.trained;
    if (outcome.trained.signal != 0) return false;
    finish(index, path, outcome);
    models = {};
    malloc_trim(0);
    return true;
  }

  void finish(std::size_t index, const fs::path& path, const FolderResult& outcome) {
    const TrainResult& trained = outcome.trained;
    StageRecord record{.name = run_.recipe.stages[index].name,
                       .checksum = weights_checksum(path / "student"),
                       .steps = trained.steps,
                       .best_step = trained.best_step,
                       .skipped_steps = trained.skipped_steps,
                       .examples = trained.examples,
                       .tokens = trained.tokens,
                       .seconds = trained.seconds,
                       .best_score = trained.best_score,
                       .on_plateau = trained.on_plateau};
    if (outcome.store) record.store = outcome.store->file, record.held = outcome.store->length;
    write_stage_record(path, record);
    run_.console.line("stage     {}: done after {} steps{}, {}", stage_title(run_.recipe, index), trained.steps,
                      trained.on_plateau ? " on a plateau" : "", score_text(trained.best_score));
    done(record, path);
  }

  const StagedRun& run_;
  const RunFolder& folder_;
  StageData data_;
  ModelsAtHand at_hand_;
  fs::path student_;  // of the stage before
  std::string scored_;
  std::vector<StoreMark> held_;
  StagedResult result_;
};

}  // namespace

void rehearse(const StagedRun& run, const LookAtStage& look) {
  StageData data(run.tokenizer);
  const Tokenizer tokenizer = Tokenizer::load(run.tokenizer);
  ModelsAtHand at_hand;
  for (std::size_t i = 0; i < run.recipe.stages.size(); ++i) {
    const Stage& stage = run.recipe.stages[i];
    try {
      const Recipe recipe = stage_recipe(run.recipe, i, at_hand.student_path);
      const Workbench bench{run.console, run.stop, data.of(recipe), run.tokenizer, run.threads, run.allow_drift};
      RunModels models = load_models(recipe, bench.data, at_hand);
      const bool from_disk = i == 0 || !(starts_from_previous(stage) || learns_from_previous(stage));
      if (from_disk) require_same_tokenizer(Tokenizer::load(models.student_base), models.student_base, models);
      if (from_disk && Tokenizer::load(models.student_base).fingerprint() != tokenizer.fingerprint())
        fail_as(ExitCode::bad_input, "its student has another tokenizer than the first stage's");
      make_objective(recipe, models);
      if (look) look(i, recipe, models, bench);
      keep_teacher(&at_hand, recipe, models);
      freeze_all(*models.student);
      at_hand.student_path = stage_folder("", i, stage.name).string();
      at_hand.student = std::move(models.student);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("stage {} ('{}'): {}", i, stage.name, error.what()));
    }
  }
}

StagedResult train_stages(const StagedRun& run, const RunFolder& folder) { return Stages(run, folder).train(); }

Recipe baseline_recipe(const Recipe& recipe) {
  const std::size_t last = recipe.stages.size() - 1;
  const Recipe first = stage_recipe(recipe, 0, "");
  Recipe baseline = stage_recipe(recipe, last, "");
  baseline.teacher = first.teacher;
  baseline.seed = recipe.seed;
  if (!starts_from_previous(recipe.stages[last])) return baseline;
  StudentConfig student = first.student;
  for (std::size_t i = 1; i <= last; ++i) {
    const StudentConfig& one = recipe.stages[i].recipe.student;
    if (one.layers) student.layers = one.layers;
    if (one.hidden) student.hidden = one.hidden;
    if (one.heads) student.heads = one.heads;
    if (one.intermediate) student.intermediate = one.intermediate;
  }
  if (student.layers && *student.layers != std::ssize(student.from_layers)) student.from_layers.clear();
  student.freeze.clear();
  baseline.student = student;
  return baseline;
}

}  // namespace dsd
