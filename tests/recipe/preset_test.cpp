#include "core/recipe/preset.h"

#include "core/recipe/load.h"
#include "tests/recipe/faults.h"

namespace dsd {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_recipe(text, "r.yaml");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) { return error_of(text).find(part) != std::string::npos; }

TEST_CASE("a preset by its name, its file's name or its path") {
  for (const char* name : {"v3", "v3.yaml", "recipes/teachers/v3", "recipes/teachers/v3.yaml", "teachers/v3"})
    CHECK(find_preset(name) == "recipes/teachers/v3.yaml");
  CHECK_THROWS_WITH_AS(find_preset("r1_articel"), "there is no preset 'r1_articel'; did you mean 'r1_article'?", Error);
  CHECK_THROWS_AS(find_preset("elsewhere/v3"), Error);
}

TEST_CASE("the shipped presets say what they are for") {
  const auto v3 = std::get<V3Preset>(load_preset(find_preset("v3_175b")).model);
  CHECK(v3.stages == 4);
  CHECK(v3.layers_per_stage == 16);
  const auto article = std::get<R1Preset>(load_preset(find_preset("r1_article")).model);
  CHECK(article.look_back == 0);
  CHECK(article.sinks == 0);
  CHECK(article.block == 64);
  const auto r1 = std::get<R1Preset>(load_preset(find_preset("r1")).model);
  CHECK(r1.look_back == 1);
  CHECK(r1.sinks == 4);
  CHECK(std::holds_alternative<LlamaPreset>(load_preset(find_preset("llama")).model));
  const std::vector<std::string> overrides{"model.look_back=3"};
  CHECK(std::get<R1Preset>(load_preset(find_preset("r1"), overrides).model).look_back == 3);
  const std::vector<std::string> unknown{"model.lookback=3"};
  CHECK_THROWS_AS(load_preset(find_preset("r1"), unknown), Error);
}

TEST_CASE("a student from a preset starts at random, with a tokenizer, and from nothing else") {
  const std::string task = "task: sst2\ndata: {root: x}\n";
  CHECK(error_of(task + "student: {preset: v3, tokenizer: t}\n").empty());
  CHECK(error_of(task + "teacher: {path: t}\nstudent: {preset: v3}\n").empty());
  CHECK(says(task + "student: {preset: v3, tokenizer: t, from_layers: [0]}\n", "no layers are copied"));
  CHECK(says(task + "student: {preset: v3}\n", "needs 'student.tokenizer'"));
  CHECK(says(task + "student: {preset: v3, tokenizer: t, path: p}\n", "both given"));
  CHECK(says(task + "student: {path: p, tokenizer: t}\n", "is for 'student.preset'"));
}

TEST_CASE("`teacher: v3` stands for its path; another text is no teacher") {
  const std::string task = "task: sst2\ndata: {root: x}\n";
  CHECK(parse_recipe(task + "teacher: v3\n", "r.yaml").teacher.path == "v3");
  CHECK(parse_recipe(task + "teacher: R1\n", "r.yaml").teacher.path == "R1");
  CHECK_FALSE(error_of(task + "teacher: word\n").empty());
}

}  // namespace
}  // namespace dsd
