#include "core/recipe/load.h"

#include <unistd.h>

#include <filesystem>
#include <random>

#include "core/base/files.h"
#include "core/config/overrides.h"
#include "tests/recipe/faults.h"

namespace dsd {
namespace {

const std::string kSmall = "task: SST-2\ndata: {root: glue}\nteacher: {path: t}\n";

const ScheduleConfig& fixed_temperature(const Recipe& recipe) {
  return std::get<ScheduledTemperature>(*recipe.losses.temperature).value;
}

TEST_CASE("where a recipe is silent") {
  const Recipe recipe = resolved(parse_recipe(kSmall, "r.yaml"));
  CHECK(recipe.task == "sst2");
  CHECK(recipe.losses.soft_weight == 0.7);
  CHECK(recipe.losses.hard_weight == 0.3);
  CHECK(fixed_temperature(recipe) == 2.0);
  CHECK(std::get<ForwardKlConfig>(*recipe.losses.soft).t_squared);
  CHECK(std::holds_alternative<CrossEntropyConfig>(*recipe.losses.hard));
  CHECK(recipe.schedules.learning_rate.text() == "1.0 -> 0.0 linear, warm-up 10%");
}

TEST_CASE("what depends on the task") {
  const Recipe values = resolved(parse_recipe(kSmall, "r.yaml", std::vector<std::string>{"task=STS-B"}));
  CHECK(std::holds_alternative<LogitMeanSquaredErrorConfig>(*values.losses.soft));
  CHECK(std::holds_alternative<MeanSquaredErrorConfig>(*values.losses.hard));
  const std::vector<std::string> given{"losses.soft.kind=mean_squared_error", "losses.temperature=3",
                                       "student.from_layers=[0,2]"};
  const Recipe recipe = resolved(parse_recipe(kSmall, "r.yaml", given));
  CHECK(std::holds_alternative<LogitMeanSquaredErrorConfig>(*recipe.losses.soft));
  CHECK(fixed_temperature(recipe) == 3.0);
  CHECK(recipe.student.layers == 2);
  const std::vector<std::string> scheduled{"losses.temperature=2.0 * 0.8^stage, 4 stages"};
  CHECK(fixed_temperature(resolved(parse_recipe(kSmall, "r.yaml", scheduled))).text() == "2.0 * 0.8^stage, 4 stages");
}

TEST_CASE("over a vocabulary the temperature is higher") {
  const Recipe recipe = resolved(
      parse_recipe("task: language-model\ndata: {root: d, train: a.txt, dev: b.txt}\nteacher: {path: t}\n", "r.yaml"));
  CHECK(recipe.task == "language_model");
  CHECK(fixed_temperature(recipe) == 3.5);
  CHECK(std::holds_alternative<ForwardKlConfig>(*recipe.losses.soft));
  CHECK(std::holds_alternative<CrossEntropyConfig>(*recipe.losses.hard));
}

TEST_CASE("a resolved recipe, dumped, reads as the same and stays as it is") {
  const std::vector<std::vector<std::string>> variants{
      {},
      {"task=stsb", "seed=9"},
      {"losses.temperature=2 * 0.8^stage, 4 stages", "losses.soft_weight=0.5 -> 1 in 4 stages"},
      {"losses.temperature={kind: flsw, base: 3 -> 2 linear, direction: harder_softer, power: 2}"},
      {"losses.temperature={kind: learned, max: 8}"},
      {"schedules.learning_rate=1 over 10 steps, then 1 -> 0 cosine, warm-up 5%", "train.clip_norm=null",
       "student.from_layers=[0,2]"},
      {"task=classification", "data.train=a.tsv", "data.dev=b.tsv", "data.labels=[0, \"true\", \"a: b\"]",
       "data.unlabelled=[c.txt]", "data.columns.text_pair=other"}};
  for (const auto& overrides : variants) {
    const std::string first = dump_recipe(resolved(parse_recipe(kSmall, "r.yaml", overrides)));
    CHECK(dump_recipe(resolved(parse_recipe(first, "again.yaml"))) == first);
    CHECK(first.find("epsilon: 1e-08\n") != std::string::npos);
  }
}

TEST_CASE("a recipe from a file names it, and takes overrides that flags stand for") {
  const auto path = std::filesystem::temp_directory_path() / ("dsd_load_test_" + std::to_string(::getpid()) + ".yaml");
  write_atomically(path, kSmall + "sede: 1\n");
  CHECK_THROWS_WITH_AS(load_recipe(path),
                       (path.string() + ":4:1: error: unknown key 'sede' in the recipe; did you mean 'seed'?").c_str(),
                       Error);
  write_atomically(path, kSmall);
  const std::vector<std::string> flags{text_override("task", "cola"), text_override("data.root", "my: data"),
                                       text_override("teacher.path", "17"), text_override("student.path", "null"),
                                       "train.epochs=0.5"};
  const Recipe recipe = load_recipe(path, flags);
  CHECK(recipe.task == "cola");
  CHECK(recipe.data.root == "my: data");
  CHECK(recipe.teacher.path == "17");
  CHECK(recipe.student.path == "null");
  CHECK(recipe.train.epochs == 0.5);
  std::filesystem::remove(path);
  CHECK_THROWS_AS(load_recipe(path), Error);
}

TEST_CASE("ten faults are ten lines, in order") {
  const auto lines = faults_of(
      "task: [sst2]\n"
      "data:\n"
      "  rot: glue\n"
      "  max_length: 2\n"
      "teacher: models/t\n"
      "student: {layers: two, start: randon}\n"
      "losses:\n"
      "  soft: {kind: forwardkl}\n"
      "  alpha: 0.5\n"
      "train:\n"
      "  dtype: bf61\n"
      "  batch: 32\n"
      "  batch: 64\n"
      "seed: -1\n");
  CHECK(lines == std::vector<std::string>{
                     "r.yaml:1:7: error: 'task' must be text, got a list",
                     "r.yaml:3:3: error: unknown key 'rot' in 'data'; did you mean 'root'?",
                     "r.yaml:4:15: error: 'data.max_length' must be >= 3, got 2",
                     "r.yaml:5:10: error: 'teacher' must be a mapping, got 'models/t'",
                     "r.yaml:6:19: error: 'student.layers' must be a whole number, got 'two'",
                     "r.yaml:6:31: error: 'student.start' is 'randon'; did you mean 'random'?",
                     "r.yaml:8:16: error: 'losses.soft.kind' is 'forwardkl'; did you mean 'forward_kl'?",
                     "r.yaml:9:3: error: unknown key 'alpha' in 'losses'; expected one of: soft_weight, hard_weight, "
                     "temperature, soft, hard, features, pool, tile_rows",
                     "r.yaml:11:10: error: 'train.dtype' is 'bf61'; did you mean 'bf16'?",
                     "r.yaml:13:3: error: key 'batch' is given twice in 'train'",
                     "r.yaml:14:7: error: 'seed' must be >= 0, got -1"});
}

TEST_CASE("random changes of a recipe: read or refused, never more") {
  std::mt19937 rng(11);
  const std::string text = dump_recipe(resolved(parse_recipe(kSmall, "r.yaml")));
  int refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string changed = text;
    for (auto left = 1 + rng() % 3; left > 0; --left) {
      const auto at = rng() % changed.size();
      const char byte = i % 2 ? static_cast<char>(rng() % 256) : text[rng() % text.size()];
      if (rng() % 3 == 0) changed.erase(at, 1 + rng() % 8);
      else if (rng() % 2) changed.insert(at, 1, byte);
      else changed[at] = byte;
    }
    try {
      resolved(parse_recipe(changed, "r.yaml"));
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
}

}  // namespace
}  // namespace dsd
