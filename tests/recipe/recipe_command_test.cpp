#include <unistd.h>

#include <filesystem>

#include "cli/commands.h"
#include "core/base/files.h"
#include "tests/recipe/faults.h"

namespace dsd {
namespace {

using Action = RecipeOptions::Action;

TEST_CASE("all shipped recipes pass `recipe check`, and the four actions answer") {
  CHECK(run_recipe(
            {.action = Action::check, .files = {"glue_kl", "recipes/glue_teacher.yaml"}, .overrides = {}, .key = {}}) ==
        0);
  CHECK(run_recipe({.action = Action::show, .files = {"glue_kl"}, .overrides = {"seed=3"}, .key = {}}) == 0);
  CHECK(run_recipe({.action = Action::explain, .files = {}, .overrides = {}, .key = "train.batch"}) == 0);
  CHECK(run_recipe({.action = Action::list, .files = {}, .overrides = {}, .key = {}}) == 0);
}

TEST_CASE("`recipe check` looks at every file before it fails, with code 2") {
  const auto path =
      std::filesystem::temp_directory_path() / ("dsd_recipe_test_" + std::to_string(::getpid()) + ".yaml");
  write_atomically(path, "task: sst2\nsede: 1\n");
  try {
    run_recipe({.action = Action::check, .files = {path, "glue_lk", "glue_kl"}, .overrides = {}, .key = {}});
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::bad_input);
    CHECK(std::string(error.what()) == path.string() + ":1:1: error: the recipe needs 'data'\n" + path.string() +
                                           ":2:1: error: unknown key 'sede' in the recipe; did you mean 'seed'?\n" +
                                           "there is no recipe 'glue_lk'; did you mean 'glue_kl'?");
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace dsd
