#include "core/train/run_folder.h"

#include <map>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/recipe/load.h"
#include "core/recipe/stages.h"
#include "core/train/stage_record.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

std::string run_stem(const std::string& recipe_name, const std::string& task) {
  return fmt::format("{}-{}", fs::path(recipe_name).stem().string(), task);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Both are dumps of the same structs: a line that only one has is a key that changed.
std::string difference(const std::string& before, const std::string& now) {
  std::map<std::string, int> count;
  for (const auto& line : lines_of(before)) ++count[line];
  for (const auto& line : lines_of(now)) --count[line];
  std::string text;
  for (auto rest = count; const auto& line : lines_of(before))
    if (rest[line] > 0) text += fmt::format("\n  run:    {}", line), --rest[line];
  for (auto rest = count; const auto& line : lines_of(now))
    if (rest[line] < 0) text += fmt::format("\n  recipe: {}", line), ++rest[line];
  return text;
}

std::int64_t next_number(const std::string& stem) {
  std::int64_t n = 1;
  while (fs::exists(fs::path("runs") / fmt::format("{}-{}", stem, n))) ++n;
  return n;
}

}  // namespace

fs::path default_run_path(const std::string& recipe_name, const std::string& task) {
  const auto stem = run_stem(recipe_name, task);
  return fs::path("runs") / fmt::format("{}-{}", stem, next_number(stem));
}

fs::path newest_run_path(const std::string& recipe_name, const std::string& task) {
  const auto stem = run_stem(recipe_name, task);
  const auto n = next_number(stem) - 1;
  if (n == 0)
    fail_as(ExitCode::bad_input, "--resume: there is no run runs/{}-1 to go on with; name it with --run", stem);
  return fs::path("runs") / fmt::format("{}-{}", stem, n);
}

RunFolder open_run(const fs::path& path, const Recipe& recipe, bool resume) {
  RunFolder run{.path = path};
  const std::string text = dump_recipe(recipe);
  std::error_code error;
  if (fs::exists(path, error) && !resume)
    fail_as(ExitCode::bad_input, "{}: is there already; give --resume to go on with it, or another --run",
            path.string());
  fs::create_directories(path, error);
  if (error) fail("{}: cannot make the folder: {}", path.string(), error.message());
  if (fs::exists(run.recipe())) {
    const std::string before = dump_recipe(load_recipe(run.recipe()));
    if (before != text)
      fail_as(ExitCode::bad_input,
              "{}: the recipe has changed since the run began; resume with the same one, or take another --run:{}",
              path.string(), difference(before, text));
    run.resumed = true;
  } else {
    write_atomically(run.recipe(), "# The effective recipe of this run, every default written out.\n" + text);
  }
  return run;
}

Recipe recipe_of_run(const fs::path& run) {
  const Recipe recipe = load_recipe(run / "recipe.yaml");
  if (recipe.stages.empty()) return recipe;
  const std::size_t last = recipe.stages.size() - 1;
  const fs::path before =
      last == 0 ? fs::path() : stage_folder(run, last - 1, recipe.stages[last - 1].name) / "student";
  return stage_recipe(recipe, last, before);
}

}  // namespace dsd
