// `dsdistill recipe check|show|explain|list`.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/commands.h"
#include "core/base/error.h"
#include "core/recipe/load.h"
#include "core/recipe/shelf.h"

namespace dsd {
namespace {

// All files are looked at before the command fails, so that one run shows every fault.
int check_files(const RecipeOptions& options) {
  std::string faults;
  for (const auto& file : options.files) {
    try {
      const auto path = find_recipe(file);
      load_recipe(path, options.overrides);
      fmt::print("{}: ok\n", path.string());
    } catch (const Error& error) {
      faults += (faults.empty() ? "" : "\n") + std::string(error.what());
    }
  }
  if (!faults.empty()) throw Error(ExitCode::bad_input, faults);
  return 0;
}

int show_files(const RecipeOptions& options) {
  bool first = true;
  for (const auto& file : options.files) {
    const auto path = find_recipe(file);
    const std::string text = dump_recipe(resolved(load_recipe(path, options.overrides)));
    // Several recipes are several documents; each alone can be saved and run.
    if (options.files.size() > 1) fmt::print("{}# {}\n", first ? "" : "---\n", path.string());
    fmt::print("{}", text);
    first = false;
  }
  return 0;
}

int list_recipes() {
  const auto recipes = ready_recipes();
  if (recipes.empty()) fail("no recipes here, and none beside the program; run it where a folder recipes/ is");
  std::size_t width = 0;
  const auto presets = ready_presets();
  for (const auto* shelf : {&recipes, &presets})
    for (const auto& entry : *shelf) width = std::max(width, entry.name.size());
  for (const auto& entry : recipes) fmt::print("{:<{}}  {}\n", entry.name, width, entry.purpose);
  fmt::print("\npresets, for student.preset:\n");
  for (const auto& entry : presets) fmt::print("{:<{}}  {}\n", entry.name, width, entry.purpose);
  return 0;
}

}  // namespace

int run_recipe(const RecipeOptions& options) {
  switch (options.action) {
    case RecipeOptions::Action::check:
      return check_files(options);
    case RecipeOptions::Action::show:
      return show_files(options);
    case RecipeOptions::Action::list:
      return list_recipes();
    case RecipeOptions::Action::explain:
      break;
  }
  fmt::print("{}", explain_recipe(options.key));
  return 0;
}

}  // namespace dsd
