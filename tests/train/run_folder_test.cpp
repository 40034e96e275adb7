#include "core/train/run_folder.h"

#include <unistd.h>

#include "core/base/error.h"
#include "core/recipe/load.h"
#include "tests/check.h"

using namespace dsd;
namespace fs = std::filesystem;

namespace {

Recipe recipe(std::string_view extra = "") {
  return parse_recipe(fmt::format("task: sst2\ndata: {{root: x}}\nstudent: {{path: s}}\n{}", extra), "test");
}

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("dsd-run-{}", ::getpid());
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("a run's folder that exists is refused without --resume, and taken with it") {
  const Folder folder;
  CHECK_FALSE(open_run(folder.path, recipe(), false).resumed);
  CHECK_THROWS_WITH_AS(open_run(folder.path, recipe(), false), doctest::Contains("--resume"), Error);
  CHECK(open_run(folder.path, recipe(), true).resumed);
  CHECK(recipe_of_run(folder.path).task == "sst2");
}

TEST_CASE("a recipe that changed is refused with the lines that differ") {
  const Folder folder;
  open_run(folder.path, recipe(), false);
  CHECK_THROWS_WITH_AS(open_run(folder.path, recipe("train: {batch: 7}\n"), true),
                       doctest::Contains("run:      batch: 32"), Error);
  CHECK_THROWS_WITH_AS(open_run(folder.path, recipe("train: {batch: 7}\n"), true),
                       doctest::Contains("recipe:   batch: 7"), Error);
}

TEST_CASE("a folder that was made but never written to is taken with --resume") {
  const Folder folder;
  fs::create_directories(folder.path);
  CHECK_FALSE(open_run(folder.path, recipe(), true).resumed);
}
