#include "core/recipe/shelf.h"

#include "tests/recipe/faults.h"

namespace dsd {
namespace {

TEST_CASE("a recipe by its name, its file's name or its path") {
  CHECK(find_recipe("glue_kl") == "recipes/glue_kl.yaml");
  CHECK(find_recipe("glue_kl.yaml") == "recipes/glue_kl.yaml");
  CHECK(find_recipe("recipes/glue_kl.yaml") == "recipes/glue_kl.yaml");
  CHECK(find_recipe("recipes/glue_kl") == "recipes/glue_kl.yaml");
}

TEST_CASE("one that is not there") {
  CHECK_THROWS_WITH_AS(find_recipe("glue_lk"), "there is no recipe 'glue_lk'; did you mean 'glue_kl'?", Error);
  CHECK_THROWS_WITH_AS(find_recipe("recipes/glue_lk.yaml"),
                       "there is no recipe 'recipes/glue_lk.yaml'; did you mean 'glue_kl'?", Error);
  CHECK_THROWS_AS(find_recipe("elsewhere/glue_kl"), Error);
  CHECK_THROWS_AS(find_recipe("recipes"), Error);
}

TEST_CASE("the ready ones are listed with their first sentence") {
  const auto ready = ready_recipes();
  REQUIRE(ready.size() >= 2);
  for (const auto& entry : ready) {
    CAPTURE(entry.name);
    CHECK(entry.purpose.size() > 20);
    CHECK(entry.purpose.ends_with('.'));
    CHECK(entry.purpose.find("dsdistill") == std::string::npos);  // the command is on a line of its own
  }
}

}  // namespace
}  // namespace dsd
