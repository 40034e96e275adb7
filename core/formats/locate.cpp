#include "core/formats/locate.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/program.h"
#include "core/formats/gguf.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "config.json";
constexpr const char* kStudent = "student";
constexpr const char* kCheckpoints = "checkpoints";
constexpr std::size_t kMostRefBytes = 1024;

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// One path part as the hub allows it: letters, digits, '-', '_', '.', not opening with a dot.
bool is_hub_part(std::string_view part) {
  const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  return !part.empty() && part.front() != '.' && std::all_of(part.begin(), part.end(), allowed);
}

// `org/name`, or the few old models without an organisation.
bool is_hub_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return is_hub_part(name);
  return is_hub_part(name.substr(0, slash)) && is_hub_part(name.substr(slash + 1));
}

std::string fetch_command(const std::string& name) { return "hf download " + name; }

// The GGUF file of a folder that has no other model; empty when there is none.
fs::path only_gguf(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".gguf") found.push_back(entry.path());
  if (found.empty()) return {};
  std::sort(found.begin(), found.end());
  if (found.size() > 1)
    fail("{}: holds {} GGUF files; name one of them, for example {}", folder.string(), found.size(), found[0].string());
  return found[0];
}

fs::path in_folder(const fs::path& folder) {
  if (is_there(folder / kConfig)) return folder;
  if (is_there(folder / kStudent / kConfig)) return folder / kStudent;
  if (is_there(folder / kStudent))
    fail("{}: has no {}; the run's student is damaged", (folder / kStudent).string(), kConfig);
  if (const fs::path file = only_gguf(folder); !file.empty()) return file;
  if (is_there(folder / kCheckpoints))
    fail("{}: is a run that has not written its student yet; go on with it: {} train {} --run {} --resume",
         folder.string(), program_name(), shell_quoted((folder / "recipe.yaml").string()),
         shell_quoted(folder.string()));
  fail("{}: is no model: it has neither {} (Hugging Face layout) nor {}/ (a run's folder) nor a GGUF file",
       folder.string(), kConfig, kStudent);
}

fs::path in_cache(const std::string& name, const fs::path& cache) {
  std::string folder = "models--" + name;
  if (const std::size_t slash = folder.find('/'); slash != std::string::npos) folder.replace(slash, 1, "--");
  const fs::path repository = cache / folder;
  if (!is_there(repository))
    fail("{}: no such folder, and no model of that name in {}; fetch it with: {}", name, cache.string(),
         fetch_command(name));
  const fs::path ref = repository / "refs" / "main";
  if (!is_there(ref))
    fail("{}: is missing, so the snapshot of '{}' is not known; fetch it with: {}", ref.string(), name,
         fetch_command(name));
  std::string commit = read_text(ref, kMostRefBytes);
  while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back())) != 0) commit.pop_back();
  if (!is_hub_part(commit)) fail("{}: holds no commit; fetch it with: {}", ref.string(), fetch_command(name));
  const fs::path snapshot = repository / "snapshots" / commit;
  if (!is_there(snapshot / kConfig))
    fail("{}: is missing from the cache; fetch it with: {}", (snapshot / kConfig).string(), fetch_command(name));
  return snapshot;
}

std::string environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

// As Python's expanduser, which the hub's tools apply to these variables.
fs::path expanded(const std::string& path) {
  if (path == "~" || path.starts_with("~/")) return environment("HOME") + path.substr(1);
  return path;
}

}  // namespace

fs::path hub_cache() {
  for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const std::string path = environment(variable); !path.empty()) return expanded(path);
  if (const std::string home = environment("HF_HOME"); !home.empty()) return expanded(home) / "hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return expanded(cache) / "huggingface" / "hub";
  return expanded("~/.cache") / "huggingface" / "hub";
}

fs::path locate_model(const std::string& name) { return locate_model(name, hub_cache()); }

fs::path locate_model(const std::string& name, const fs::path& hub_cache) {
  if (name.empty()) fail("the model's name is empty; expected a model folder, a run's folder or org/name");
  std::error_code error;
  const fs::path path(name);
  if (fs::is_directory(path, error)) return in_folder(path);
  if (is_gguf(path)) return path;
  if (is_there(path)) fail("{}: is a file; name the folder that holds {} and the weights", name, kConfig);
  if (is_hub_name(name)) return in_cache(name, hub_cache);
  fail("{}: no such folder; expected a model folder (with {}), a run's folder or org/name", name, kConfig);
}

std::string shell_quoted(const std::string& text) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("/._-+=:,@%").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return text;
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += "'\\''";
    else quoted += c;
  }
  return quoted + "'";
}

}  // namespace dsd
