#include "core/recipe/load.h"

#include "core/base/files.h"
#include "core/config/explanation.h"
#include "core/config/overrides.h"
#include "core/config/reader.h"
#include "core/config/writer.h"
#include "core/recipe/check.h"
#include "core/recipe/stages.h"
#include "core/recipe/task_names.h"

namespace dsd {

namespace {

// `teacher: v3` stands for its path, so that the error says which weights are meant.
void spread_teacher(Node& tree) {
  Node* teacher = tree.find("teacher");
  if (teacher == nullptr || teacher->kind != Node::Kind::scalar || !is_article_name(teacher->scalar)) return;
  Node path = *teacher;
  teacher->kind = Node::Kind::map;
  teacher->scalar.clear();
  teacher->entries.push_back({"path", path.mark, std::move(path)});
}

void resolve(Recipe& recipe, TaskKind kind) {
  const bool values = kind == TaskKind::values;
  auto& losses = recipe.losses;
  if (!losses.soft)
    losses.soft = values ? SoftLossConfig(LogitMeanSquaredErrorConfig{}) : SoftLossConfig(ForwardKlConfig{});
  if (!losses.hard)
    losses.hard = values ? HardLossConfig(MeanSquaredErrorConfig{}) : HardLossConfig(CrossEntropyConfig{});
  if (!losses.temperature) losses.temperature = ScheduledTemperature{kind == TaskKind::next_token ? 3.5 : 2.0};
  auto& student = recipe.student;
  if (!student.layers && !student.from_layers.empty())
    student.layers = static_cast<std::int64_t>(student.from_layers.size());
}

}  // namespace

Recipe load_recipe(const std::filesystem::path& path, std::span<const std::string> overrides) {
  return parse_recipe(read_text(path, kMostYamlBytes), path.string(), overrides);
}

Recipe parse_recipe(std::string_view text, const std::string& name, std::span<const std::string> overrides) {
  Diagnostics faults(name, overrides);
  Recipe recipe;
  if (auto tree = parse_yaml(text, 0, faults)) {
    spread_teacher(*tree);
    apply_overrides(*tree, overrides, faults);
    spread_teacher(*tree);
    read_tree(*tree, describe_fields(recipe), "the recipe", faults);
    for (auto& entry : tree->entries)
      if (entry.key == "stages" && &entry.value == tree->find("stages"))
        read_stages(entry.value, entry.mark, &recipe, faults);
    if (faults.empty()) {
      if (const auto task = find_task_name(recipe.task)) recipe.task = task->name;
      for (const auto& [path, sentence] : check(recipe)) faults.add(place_of(*tree, path), sentence);
    }
  }
  faults.raise();
  return recipe;
}

Recipe resolved(Recipe recipe) {
  const TaskKind kind = require_task_name(recipe.task).kind;
  resolve(recipe, kind);
  for (Stage& stage : recipe.stages) resolve(stage.recipe, kind);
  return recipe;
}

std::string dump_recipe(const Recipe& recipe) {
  Recipe copy = recipe;  // slots point into what may change
  return write_tree(describe_fields(copy)) + dump_stages(recipe);
}

std::string explain_recipe(std::string_view key) {
  Recipe defaults;
  const std::string keys = explain_tree(describe_fields(defaults), key);
  if (!key.empty()) return keys;
  return "# The keys of a recipe\n\n"
         "`dsdistill recipe explain` prints this page; `dsdistill recipe explain KEY` one part of it. A key that a "
         "recipe\n"
         "leaves out has its default. Any key can be set on the command line too: `--set train.batch=16`.\n\n" +
         keys;
}

}  // namespace dsd
