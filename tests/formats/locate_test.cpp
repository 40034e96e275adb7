#include "core/formats/locate.h"

#include <cstdlib>
#include <optional>

#include "core/base/program.h"
#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

std::string locating(const std::string& name, const fs::path& cache) {
  return error_of([&] { locate_model(name, cache); });
}

// An environment variable for the length of a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace

TEST_CASE("a model's folder and a run's folder") {
  const Folder folder;
  folder.write("model/config.json", "{}");
  folder.write("run/student/config.json", "{}");
  CHECK(locate_model((folder / "model").string()) == folder / "model");
  CHECK(locate_model((folder / "run").string()) == folder / "run/student");
  fs::create_directory_symlink(folder / "model", folder / "link");
  CHECK(locate_model((folder / "link").string()) == folder / "link");
}

TEST_CASE("what is missing from a folder is told") {
  const Folder folder;
  const std::string place = folder.path().string();
  folder.write("file/config.json", "{}");
  fs::create_directories(folder / "run/checkpoints");
  fs::create_directories(folder / "damaged/student");
  fs::create_directories(folder / "empty");
  CHECK(locating(place + "/empty", "cache") == place +
                                                   "/empty: is no model: it has neither config.json (Hugging Face "
                                                   "layout) nor student/ (a run's folder) nor a GGUF file");
  CHECK(locating(place + "/run", "cache") ==
        place + "/run: is a run that has not written its student yet; go on with it: " + program_name() + " train " +
            place + "/run/recipe.yaml --run " + place + "/run --resume");
  CHECK(locating(place + "/damaged", "cache") ==
        place + "/damaged/student: has no config.json; the run's student is damaged");
  CHECK(contains(locating(place + "/file/config.json", "cache"), "is a file; name the folder"));
  CHECK(locating(place + "/none", "cache") ==
        place + "/none: no such folder; expected a model folder (with config.json), a run's folder or org/name");
  CHECK(contains(locating("", "cache"), "name is empty"));
}

TEST_CASE("a name in the local cache, through its links") {
  const Folder cache;
  const std::string commit = "0123456789abcdef0123456789abcdef01234567";
  cache.write("models--org--name/refs/main", commit + "\n");
  cache.write("models--org--name/blobs/aa", "{}");
  const fs::path snapshot = cache.path() / "models--org--name/snapshots" / commit;
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/aa", snapshot / "config.json");
  CHECK(locate_model("org/name", cache.path()) == snapshot);
  cache.write("models--old/refs/main", commit);
  cache.write("models--old/snapshots/" + commit + "/config.json", "{}");
  CHECK(locate_model("old", cache.path()) == cache.path() / "models--old/snapshots" / commit);
}

TEST_CASE("a name that is not in the cache prints the command that fetches it") {
  const Folder cache;
  CHECK(locating("org/name", cache.path()) == "org/name: no such folder, and no model of that name in " +
                                                  cache.path().string() + "; fetch it with: hf download org/name");
  cache.write("models--org--name/blobs/aa", "{}");
  CHECK(locating("org/name", cache.path()).ends_with("fetch it with: hf download org/name"));
  cache.write("models--org--name/refs/main", "../../../elsewhere");
  CHECK(
      contains(locating("org/name", cache.path()), "refs/main: holds no commit; fetch it with: hf download org/name"));
  cache.write("models--org--name/refs/main", "abc");
  CHECK(contains(locating("org/name", cache.path()), "snapshots/abc/config.json: is missing from the cache; fetch it"));
  for (const char* name : {"../name", "a/b/c", "org/..", "/org", "org/", "a b/c", "org/$(x)"})
    CHECK(contains(locating(name, cache.path()), "no such folder; expected"));
}

TEST_CASE("the cache lies where the hub's tools put it") {
  const Variable home("HOME", "/home/someone");
  const Variable xdg("XDG_CACHE_HOME", nullptr);
  const Variable old_name("HUGGINGFACE_HUB_CACHE", nullptr);
  {
    const Variable cache("HF_HUB_CACHE", nullptr), hf("HF_HOME", nullptr);
    CHECK(hub_cache() == "/home/someone/.cache/huggingface/hub");
    const Variable xdg_set("XDG_CACHE_HOME", "/xdg");
    CHECK(hub_cache() == "/xdg/huggingface/hub");
  }
  const Variable hf("HF_HOME", "~/hf");
  CHECK(hub_cache() == "/home/someone/hf/hub");
  const Variable cache("HF_HUB_CACHE", "/models");
  CHECK(hub_cache() == "/models");
}

TEST_CASE("paths in commands are quoted for the shell") {
  CHECK(shell_quoted("runs/a-1.0") == "runs/a-1.0");
  CHECK(shell_quoted("") == "''");
  CHECK(shell_quoted("a b") == "'a b'");
  CHECK(shell_quoted("it's $HOME") == "'it'\\''s $HOME'");
}
