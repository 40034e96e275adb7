#include "core/recipe/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/config/reader.h"
#include "core/config/writer.h"
#include "core/recipe/check.h"
#include "core/recipe/check_features.h"
#include "core/recipe/task_names.h"
#include "schedules/schedule.h"

namespace dsd {
namespace {

constexpr std::string_view kPrevious = "previous";

// `teacher: previous` and `teacher: v3` stand for a path.
void spread_teacher(Node& stage) {
  Node* teacher = stage.find("teacher");
  if (teacher == nullptr || teacher->kind != Node::Kind::scalar) return;
  if (teacher->scalar != kPrevious && !is_article_name(teacher->scalar)) return;
  Node path = *teacher;
  teacher->kind = Node::Kind::map;
  teacher->scalar.clear();
  teacher->entries.push_back({"path", path.mark, std::move(path)});
}

void read_stage(Node& node, Mark key, Stage* stage, std::size_t index, Diagnostics& faults) {
  spread_teacher(node);
  read_changes(node, key, describe_fields(*stage), fmt::format("stages[{}]", index), faults);
}

std::optional<std::size_t> number_of(const std::string& text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A preset's keys without those that name its stages.
Node without_numbers(const Node& stages) {
  Node preset = stages;
  std::erase_if(preset.entries, [](const Node::Entry& entry) { return number_of(entry.key).has_value(); });
  return preset;
}

void read_preset(Node& stages, Mark key, Recipe* recipe, Diagnostics& faults) {
  StagesPreset preset;
  const bool clean = faults.empty();
  Slot slot = slot_of(preset);
  read_choice(without_numbers(stages), key, std::get<ChoiceSlot>(slot), "stages", faults);
  if (!clean || !faults.empty()) return;
  recipe->stages = expand_stages(preset, *recipe, key, faults);
  std::vector<std::size_t> seen;
  for (auto& entry : stages.entries) {
    const auto number = number_of(entry.key);
    if (!number) continue;
    if (std::ranges::find(seen, *number) != seen.end())
      faults.add(entry.mark, fmt::format("key '{}' is given twice in 'stages'", entry.key));
    else if (*number >= recipe->stages.size())
      faults.add(entry.mark, fmt::format("the preset has {} stages, counted from 0, and none of number {}",
                                         recipe->stages.size(), *number));
    else read_stage(entry.value, entry.mark, &recipe->stages[*number], *number, faults);
    seen.push_back(*number);
  }
}

}  // namespace

bool starts_from_previous(const Stage& stage) { return stage.start.kind == StageStart::Kind::previous; }
bool learns_from_previous(const Stage& stage) { return stage.recipe.teacher.path == kPrevious; }

Stage inherited_stage(const Recipe& recipe, std::size_t index) {
  Stage stage{.recipe = recipe};
  stage.recipe.stages.clear();
  if (index == 0) return stage;
  stage.start.kind = StageStart::Kind::previous;
  StudentConfig& student = stage.recipe.student;
  student.path.reset(), student.preset.reset(), student.tokenizer.reset();
  student.start = StudentConfig().start;
  student.from_layers.clear();
  return stage;
}

void read_stages(Node& stages, Mark key, Recipe* recipe, Diagnostics& faults) {
  if (stages.kind == Node::Kind::map) return read_preset(stages, key, recipe, faults);
  if (stages.kind != Node::Kind::list) {
    faults.add(stages.mark.line == key.line ? stages.mark : key,
               fmt::format("'stages' must be a list, or a mapping with a 'preset', got {}", describe(stages)));
    return;
  }
  for (std::size_t i = 0; i < stages.items.size(); ++i) {
    Stage stage = inherited_stage(*recipe, i);
    read_stage(stages.items[i], stages.items[i].mark, &stage, i, faults);
    recipe->stages.push_back(std::move(stage));
  }
}

std::string dump_stages(const Recipe& recipe) {
  if (recipe.stages.empty()) return "stages: []\n";
  std::string out = "stages:\n";
  for (std::size_t i = 0; i < recipe.stages.size(); ++i) {
    Stage before = inherited_stage(recipe, i), now = recipe.stages[i];
    out += fmt::format("  - name: {}\n    start: {}\n", quoted_if_needed(now.name), quoted_if_needed(now.start.text()));
    before.name = now.name, before.start = now.start;
    out += write_changes(describe_fields(before), describe_fields(now), 4);
  }
  return out;
}

Recipe stage_recipe(const Recipe& recipe, std::size_t index, const std::filesystem::path& previous) {
  const Stage& stage = recipe.stages.at(index);
  Recipe own = stage.recipe;
  own.task = recipe.task;
  own.seed = recipe.seed + static_cast<std::int64_t>(index);
  StudentConfig& student = own.student;
  const auto start_from = [&](std::optional<std::string> path) {
    student.path = std::move(path);
    student.preset.reset(), student.tokenizer.reset();
    if (student.start == StudentStart::random) student.start = StudentStart::teacher_layers;
  };
  using Kind = StageStart::Kind;
  if (stage.start.kind == Kind::previous) start_from(previous.string());
  if (stage.start.kind == Kind::folder) start_from(stage.start.folder);
  if (stage.start.kind == Kind::teacher_layers) start_from(std::nullopt);
  if (stage.start.kind == Kind::random) student.start = StudentStart::random, student.from_layers.clear();
  // Handed down to a stage that has no use for it, it says nothing.
  const auto task = find_task_name(recipe.task);
  const bool has_states = has_features(own.losses) || (task && task->kind == TaskKind::next_token);
  if (!has_states && own.teacher.keep_dtype == recipe.teacher.keep_dtype)
    own.teacher.keep_dtype = TeacherConfig().keep_dtype;
  if (learns_from_previous(stage)) {
    own.teacher.path = previous.string();
    // Its labels are the task's own, and a store that is named is of another teacher.
    own.teacher.labels.clear(), own.teacher.store.reset();
    if (own.teacher.floor == recipe.teacher.floor) own.teacher.floor.reset();  // the first teacher's own
  }
  return own;
}

bool trains_scores(const Recipe& recipe) {
  const auto has_weight = [](const ScheduleConfig& weight) { return extremes(weight).second > 0; };
  return !recipe.teacher.path || has_weight(recipe.losses.soft_weight) || has_weight(recipe.losses.hard_weight);
}

}  // namespace dsd
