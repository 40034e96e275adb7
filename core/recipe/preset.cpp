#include "core/recipe/preset.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/nearest.h"
#include "core/config/overrides.h"
#include "core/config/reader.h"
#include "core/recipe/shelf.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

// Whether `name`, with as many folders as it gives, means the file: "v3", "teachers/v3", "recipes/teachers/v3.yaml".
bool means(fs::path name, const fs::path& file) {
  if (name.extension() != ".yaml") name += ".yaml";
  const std::vector<fs::path> wanted(name.begin(), name.end()), there(file.begin(), file.end());
  return wanted.size() <= there.size() && std::equal(wanted.rbegin(), wanted.rend(), there.rbegin());
}

}  // namespace

fs::path find_preset(std::string_view name) {
  std::error_code ignored;
  const fs::path path(name);
  if (fs::is_regular_file(path, ignored)) return path;
  const auto ready = ready_presets();
  std::vector<std::string_view> known;
  for (const ShelfEntry& entry : ready) {
    if (means(path, entry.path)) return entry.path;
    known.push_back(entry.name);
  }
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
