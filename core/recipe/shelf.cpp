#include "core/recipe/shelf.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/nearest.h"
#include "core/config/node.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGenerations = "generations";  // the article's three, a folder of their own

fs::path beside_binary() {
  std::error_code ignored;
  const fs::path binary = fs::read_symlink("/proc/self/exe", ignored);
  return binary.parent_path().parent_path() / "recipes";
}

// The first sentence of the comment that a recipe opens with; it may run over lines.
std::string first_sentence(const fs::path& path) {
  std::istringstream text(read_text(path, kMostYamlBytes));
  std::string sentence, line;
  while (std::getline(text, line) && line.starts_with("# ") && !line.starts_with("#  ")) {
    sentence += (sentence.empty() ? "" : " ") + line.substr(2);
    if (const auto end = sentence.find(". "); end != std::string::npos) return sentence.substr(0, end + 1);
    if (sentence.ends_with('.')) return sentence;
  }
  return sentence;
}

// By name; none where there is no such folder.
std::vector<ShelfEntry> entries_in(const fs::path& folder) {
  std::vector<ShelfEntry> entries;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(folder, ignored))
    if (file.is_regular_file() && file.path().extension() == ".yaml")
      entries.push_back({file.path().stem().string(), first_sentence(file.path()), file.path()});
  std::ranges::sort(entries, {}, &ShelfEntry::name);
  return entries;
}

}  // namespace

fs::path recipes_folder() {
  std::error_code ignored;
  for (const fs::path& folder : {fs::path("recipes"), beside_binary()})
    if (fs::is_directory(folder, ignored)) return folder;
  return {};
}

fs::path find_recipe(std::string_view name) {
  std::error_code ignored;
  const fs::path path(name);
  if (fs::is_regular_file(path, ignored)) return path;
  const fs::path folder = recipes_folder();
  // `glue_kl`, `glue_kl.yaml` and, from a folder without recipes/, `recipes/glue_kl.yaml` all mean the one on the
  // shelf, and so do those of recipes/generations/.
  const fs::path parent = path.parent_path();
  const bool of_generations = parent.filename() == kGenerations;
  const fs::path shelf = of_generations ? parent.parent_path() : parent;
  if (!folder.empty() && (shelf.empty() || shelf == "recipes")) {
    fs::path candidate = (of_generations ? folder / kGenerations : folder) / path.filename();
    if (candidate.extension() != ".yaml") candidate += ".yaml";
    if (fs::is_regular_file(candidate, ignored)) return candidate;
  }
  const auto ready = ready_recipes();
  std::vector<std::string_view> known;
  for (const auto& entry : ready) known.push_back(entry.name);
  fail_as(ExitCode::bad_input, "there is no recipe '{}'{}", name,
          known.empty() ? "; give the path of a YAML file" : suggestion(path.stem().string(), known));
}

std::vector<ShelfEntry> ready_recipes() {
  auto recipes = entries_in(recipes_folder());
  for (ShelfEntry& entry : entries_in(recipes_folder() / kGenerations)) {
    entry.name = fmt::format("{}/{}", kGenerations, entry.name);
    recipes.push_back(std::move(entry));
  }
  return recipes;
}

std::vector<ShelfEntry> ready_presets() {
  std::vector<ShelfEntry> all;
  if (recipes_folder().empty()) return all;
  for (const char* shelf : {"teachers", "students"})
    std::ranges::copy(entries_in(recipes_folder() / shelf), std::back_inserter(all));
  return all;
}

}  // namespace dsd
