#include "core/recipe/check_stages.h"

#include <algorithm>

#include "core/recipe/check_adversary.h"
#include "core/recipe/faults.h"
#include "core/recipe/stages.h"

namespace dsd {
namespace {

struct Place {
  std::size_t index;
  const Stage& stage;
  Faults& faults;

  template <class... Args>
  void tell(std::string_view key, fmt::format_string<Args...> text, Args&&... args) const {
    add(faults, fmt::format("stages[{}].{}", index, key), "stage {} ('{}'): {}", index, stage.name,
        fmt::format(text, std::forward<Args>(args)...));
  }
};

void check_first(const Place& place) {
  if (starts_from_previous(place.stage)) place.tell("start", "'start: previous' needs a stage before");
  if (learns_from_previous(place.stage))
    place.tell("teacher", "'teacher: previous' needs a stage before, whose student it would be");
}

// The sizes of a student that starts from another: it cannot hold more than that one.
void check_shrinks(const Place& place, const StudentConfig& before) {
  if (!starts_from_previous(place.stage)) return;
  const StudentConfig& now = place.stage.recipe.student;
  const auto compare = [&](std::string_view key, std::optional<std::int64_t> larger, std::optional<std::int64_t> size) {
    if (larger && size && *larger > *size)
      place.tell(
          fmt::format("student.{}", key),
          "starts from the student before, whose 'student.{0}' is {1}, and asks for {2}; a student can shrink from "
          "stage to stage, not grow: give 'start: random', or {1} at most",
          key, *size, *larger);
  };
  compare("layers", now.layers, before.layers);
  compare("hidden", now.hidden, before.hidden);
  compare("heads", now.heads, before.heads);
  compare("intermediate", now.intermediate, before.intermediate);
}

void check_own(const Place& place) {
  const auto& [index, stage, faults] = place;
  const bool plain = !stage.name.empty() && std::ranges::all_of(stage.name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  if (!plain) place.tell("name", "the name is a part of a folder's: letters, digits, '_' and '-'");
  if (stage.recipe.train.plateau && !trains_scores(stage.recipe))
    place.tell("train.plateau",
               "losses on features alone train no head, so that no score tells a plateau; give 'train.epochs'");
  const StudentConfig& student = stage.recipe.student;
  const bool names_base = student.path || student.preset || student.tokenizer;
  if (index > 0 && names_base && stage.start.kind != StageStart::Kind::student &&
      stage.start.kind != StageStart::Kind::random)
    place.tell("student", "'student' names what its weights come from, and 'start: {}' does too; give 'start: student'",
               stage.start.text());
  if (stage.start.kind == StageStart::Kind::teacher_layers && !stage.recipe.teacher.path)
    place.tell("start", "'start: teacher_layers' needs a teacher; give 'teacher.path'");
}

// The size that a student is left with, as far as the recipe tells: its own, or that of the one it starts from.
StudentConfig sizes_after(const Stage& stage, const StudentConfig& before) {
  StudentConfig now = stage.recipe.student;
  if (!now.layers && !now.from_layers.empty()) now.layers = static_cast<std::int64_t>(now.from_layers.size());
  if (!starts_from_previous(stage)) return now;
  if (!now.layers) now.layers = before.layers;
  if (!now.hidden) now.hidden = before.hidden;
  if (!now.heads) now.heads = before.heads;
  if (!now.intermediate) now.intermediate = before.intermediate;
  return now;
}

bool has_text(const Faults& faults, const std::string& text) {
  return std::ranges::any_of(faults, [&](const RuleFault& fault) { return fault.text == text; });
}

}  // namespace

std::vector<RuleFault> check_stages(const Recipe& recipe) {
  Recipe whole = recipe;
  whole.stages.clear();
  const Faults above = check(whole);
  std::vector<Faults> each;
  Faults own;
  StudentConfig before;
  for (std::size_t i = 0; i < recipe.stages.size(); ++i) {
    const Stage& stage = recipe.stages[i];
    // What starts from nothing has no later stage to speak of.
    const bool starts = i == 0 || !names_no_model(stage_recipe(recipe, 0, ""));
    each.push_back(starts ? check(stage_recipe(recipe, i, "previous")) : Faults());
    const Place place{i, stage, own};
    if (i == 0) check_first(place);
    else check_shrinks(place, before);
    check_own(place);
    before = sizes_after(stage, before);
  }
  Faults faults;
  const auto shared = [&](const std::string& text) {
    return has_text(above, text) && std::ranges::all_of(each, [&](const Faults& one) { return has_text(one, text); });
  };
  for (const RuleFault& fault : above)
    if (shared(fault.text)) faults.push_back(fault);
  for (std::size_t i = 0; i < each.size(); ++i)
    for (const auto& [path, text] : each[i])
      if (!shared(text))
        add(faults, fmt::format("stages[{}].{}", i, path), "stage {} ('{}'): {}", i, recipe.stages[i].name, text);
  faults.insert(faults.end(), own.begin(), own.end());
  return faults;
}

}  // namespace dsd
