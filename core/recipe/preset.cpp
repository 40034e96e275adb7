#include "core/recipe/preset.h"

#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/nearest.h"
#include "core/config/overrides.h"
#include "core/config/reader.h"
#include "core/recipe/shelf.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> ready_presets(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(folder, ignored))
    if (file.path().extension() == ".yaml") names.push_back(file.path().stem().string());
  return names;
}

}  // namespace

fs::path find_preset(std::string_view name) {
  std::error_code ignored;
  const fs::path path(name);
  if (fs::is_regular_file(path, ignored)) return path;
  const fs::path recipes = recipes_folder();
  const fs::path folder = recipes.empty() ? fs::path() : recipes / "teachers";
  const fs::path parent = path.parent_path();
  if (!folder.empty() && (parent.empty() || parent == "recipes/teachers" || parent == "teachers")) {
    fs::path candidate = folder / path.filename();
    if (candidate.extension() != ".yaml") candidate += ".yaml";
    if (fs::is_regular_file(candidate, ignored)) return candidate;
  }
  const auto ready = ready_presets(folder);
  const std::vector<std::string_view> known(ready.begin(), ready.end());
  fail_as(ExitCode::bad_input, "there is no preset '{}'{}", name,
          known.empty() ? "; give the path of a YAML file" : suggestion(path.stem().string(), known));
}

Preset load_preset(const fs::path& path, std::span<const std::string> overrides) {
  Diagnostics faults(path.string(), overrides);
  Preset preset;
  if (auto tree = parse_yaml(read_text(path, kMostYamlBytes), 0, faults)) {
    apply_overrides(*tree, overrides, faults);
    read_tree(*tree, describe_fields(preset), "the preset", faults);
  }
  faults.raise();
  return preset;
}

}  // namespace dsd
