// Stages of a recipe: what they inherit, what presets come to by their formulas, and what contradicts itself.
#include "core/recipe/stages.h"

#include <cmath>

#include "schedules/schedule.h"
#include "tests/recipe/faults.h"

namespace dsd {
namespace {

using Lines = std::vector<std::string>;

const std::string kBase = "task: sst2\ndata: {root: glue}\nteacher: {path: t}\nstudent: {layers: 4}\n";

Recipe read(const std::string& stages, const Lines& overrides = {}, const std::string& base = kBase) {
  const auto faults = faults_of(base + "stages: " + stages + "\n", overrides);
  CAPTURE(faults);
  REQUIRE(faults.empty());
  return parse_recipe(base + "stages: " + stages + "\n", "r.yaml", overrides);
}

double fixed(const ScheduleConfig& schedule) {
  REQUIRE(is_fixed(schedule));
  return value(schedule, {});
}

double temperature(const Recipe& recipe) {
  return fixed(std::get<ScheduledTemperature>(recipe.losses.temperature.value()).value);
}

std::string frozen(const Stage& stage) {
  std::string text;
  for (const FreezeGroup& group : stage.recipe.student.freeze) text += (text.empty() ? "" : " ") + group.text();
  return text;
}

TEST_CASE("a stage has from above what it does not name, and the second starts from the first") {
  const Recipe recipe = read(
      "[{name: warm, train: {epochs: 1}, losses: {temperature: 4, soft: {kind: reverse_kl}}},"
      " {start: random, data: {max_length: 32}, student: {layers: 2, freeze: [embeddings, layers.1-, head]}}]",
      {},
      kBase +
          "train: {batch: 8, epochs: 5}\nlosses: {soft: {kind: skew_kl, teacher_share: 0.3}, temperature: 3}\nseed: "
          "7\n");
  REQUIRE(recipe.stages.size() == 2);
  const Recipe first = stage_recipe(recipe, 0, ""), second = stage_recipe(recipe, 1, "before");
  CHECK(recipe.stages[0].name == "warm");
  CHECK(first.task == "sst2");
  CHECK(first.train.epochs == 1);
  CHECK(first.train.batch == 8);
  CHECK(temperature(first) == 4);
  CHECK(std::holds_alternative<ReverseKlConfig>(*first.losses.soft));
  CHECK(first.seed == 7);
  CHECK(second.seed == 8);
  CHECK(second.train.epochs == 5);
  CHECK(temperature(second) == 3);
  CHECK(std::get<SkewKlConfig>(*second.losses.soft).teacher_share == 0.3);
  CHECK(second.data.max_length == 32);
  CHECK(second.data.root == "glue");
  CHECK(second.student.layers == 2);
  CHECK(second.student.start == StudentStart::random);
  CHECK_FALSE(second.student.path.has_value());
  CHECK(frozen(recipe.stages[1]) == "embeddings layers.1- head");
  CHECK(second.stages.empty());
}

TEST_CASE("where a stage's weights come from is not handed down; previous and a folder stand in its place") {
  const std::string base =
      "task: sst2\ndata: {root: glue}\nteacher: {path: t, labels: [a, b]}\nstudent: {path: s, from_layers: [0, 2]}\n";
  const Recipe recipe = read(
      "[{}, {}, {start: runs/x}, {start: teacher_layers, student: {from_layers: [1]}}, {teacher: previous}]", {}, base);
  CHECK(stage_recipe(recipe, 0, "").student.path == "s");
  CHECK(stage_recipe(recipe, 0, "").student.from_layers.size() == 2);
  CHECK(stage_recipe(recipe, 1, "runs/r/0").student.path == "runs/r/0");
  CHECK(stage_recipe(recipe, 1, "runs/r/0").student.from_layers.empty());
  CHECK(stage_recipe(recipe, 2, "b").student.path == "runs/x");
  CHECK_FALSE(stage_recipe(recipe, 3, "b").student.path.has_value());
  CHECK(stage_recipe(recipe, 3, "b").student.from_layers == std::vector<std::int64_t>{1});
  CHECK(stage_recipe(recipe, 3, "b").teacher.labels.size() == 2);
  const Recipe last = stage_recipe(recipe, 4, "runs/r/3");
  CHECK(learns_from_previous(recipe.stages[4]));
  CHECK(last.teacher.path == "runs/r/3");
  CHECK(last.teacher.labels.empty());
  CHECK(last.student.path == "runs/r/3");
}

TEST_CASE("stages are written as what they change, and read again as the same") {
  for (const std::string stages :
       {"[{name: a, losses: {features: [{loss: {kind: hidden, layers: last}, weight: 0.5}]}, data: {curriculum: {by: "
        "length}}}, {name: b, student: {freeze: [layers.0-1]}, train: {plateau: {evaluations: 2}, clip_norm: null}}]",
        "{preset: tinybert}", "{preset: fitnet}", "{preset: layer_by_layer}", "{preset: annealing}",
        "{preset: teacher_assistant, sizes: [3, 1]}", "{preset: article}"}) {
    CAPTURE(stages);
    const std::string first = dump_recipe(resolved(read(stages)));
    CHECK(dump_recipe(resolved(parse_recipe(first, "r.yaml"))) == first);
  }
  const std::string text = dump_recipe(resolved(read("[{name: a, train: {epochs: 2}}]")));
  CHECK(text.ends_with("stages:\n  - name: a\n    start: student\n    train:\n      epochs: 2.0\n"));
  CHECK(dump_recipe(parse_recipe(kBase, "r.yaml")).ends_with("stages: []\n"));
}

TEST_CASE("--set reaches into a stage, of a list and of a preset") {
  for (const std::string key : {"stages.1.train.epochs=7", "stages[1].train.epochs=7"}) {
    CAPTURE(key);
    CHECK(read("[{}, {}]", {key}).stages[1].recipe.train.epochs == 7);
    const Recipe article = read("{preset: article, 1: {losses: {hard_weight: 2}}}", {key});
    CHECK(article.stages[1].recipe.train.epochs == 7);
    CHECK(fixed(article.stages[1].recipe.losses.hard_weight) == 2);
    CHECK(fixed(article.stages[1].recipe.losses.soft_weight) == 0.75);
    CHECK(article.stages[0].recipe.train.epochs == 3);
  }
  CHECK(read("{preset: article}", {"stages.stages=5"}).stages.size() == 5);
  CHECK(read("[{}, {}]", {"stages=[]"}).stages.empty());
}

TEST_CASE("article: the temperature is 2 * 0.8^stage, the weight 0.5 + 0.5 stage / (stages - 1)") {
  for (const int count : {1, 2, 3, 5}) {
    const Recipe recipe = read("{preset: article, stages: " + std::to_string(count) + "}");
    REQUIRE(recipe.stages.size() == static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      const Recipe stage = stage_recipe(recipe, static_cast<std::size_t>(i), "p");
      CHECK(temperature(stage) == doctest::Approx(2 * std::pow(0.8, i)).epsilon(1e-15));
      const double weight = count == 1 ? 0.5 : 0.5 + 0.5 * i / (count - 1);
      CHECK(fixed(stage.losses.soft_weight) == doctest::Approx(weight));
      CHECK(fixed(stage.losses.hard_weight) == doctest::Approx(1 - weight));
    }
  }
}

TEST_CASE(
    "tinybert: features alone, over texts without labels where there are some, then the logits at temperature 1") {
  const auto kinds = [](const Recipe& recipe) {
    std::string all;
    for (const FeaturePart& part : recipe.losses.features)
      std::visit([&](const auto& loss) { all += std::string(loss.kind) + " "; }, part.loss);
    return all;
  };
  const Recipe plain = read("{preset: tinybert}");
  REQUIRE(plain.stages.size() == 2);
  const Recipe recipe = read("{preset: tinybert, general_epochs: 2}", {"data.unlabelled=[wiki.txt]"});
  REQUIRE(recipe.stages.size() == 3);
  const Recipe general = stage_recipe(recipe, 0, ""), middle = stage_recipe(recipe, 1, "p"),
               last = stage_recipe(recipe, 2, "p");
  for (const Recipe& features : {general, middle}) {
    CHECK(kinds(features) == "embedding hidden attention ");
    CHECK_FALSE(trains_scores(features));
    CHECK(features.train.learning_rate == 5e-5);
  }
  CHECK(general.data.unlabelled.size() == 1);
  CHECK(general.train.epochs == 2);
  CHECK(middle.data.unlabelled.empty());
  CHECK(middle.train.epochs == 20);
  CHECK(last.losses.features.empty());
  CHECK(fixed(last.losses.soft_weight) == 1);
  CHECK(fixed(last.losses.hard_weight) == 0);
  CHECK(temperature(last) == 1);
  CHECK_FALSE(std::get<SoftCrossEntropyConfig>(*last.losses.soft).t_squared);
  // For numbers the paper regresses the labels.
  const Recipe values = read("{preset: tinybert}", {"task=stsb"});
  CHECK(fixed(stage_recipe(values, 1, "p").losses.hard_weight) == 1);
  CHECK(fixed(stage_recipe(values, 1, "p").losses.soft_weight) == 0);
}

TEST_CASE(
    "fitnet: a hint with all above the guided layer frozen, then labels and a weight from 4 to 1 at temperature 3") {
  const Recipe recipe = read("{preset: fitnet}");
  REQUIRE(recipe.stages.size() == 2);
  const Recipe hint = stage_recipe(recipe, 0, ""), distil = stage_recipe(recipe, 1, "p");
  CHECK(frozen(recipe.stages[0]) == "layers.2- head");
  CHECK_FALSE(trains_scores(hint));
  const auto& loss = std::get<FitNetConfig>(hint.losses.features.at(0).loss);
  CHECK(loss.only == 2);  // of four
  CHECK(frozen(recipe.stages[1]).empty());
  CHECK(distil.losses.features.empty());
  CHECK(temperature(distil) == 3);
  CHECK(fixed(distil.losses.hard_weight) == 1);
  CHECK(value(distil.losses.soft_weight, {.step = 0, .steps = 100}) == 4);
  CHECK(value(distil.losses.soft_weight, {.step = 50, .steps = 100}) == doctest::Approx(2.5));
  CHECK_FALSE(std::get<ForwardKlConfig>(*distil.losses.soft).t_squared);
  const Recipe told = read("{preset: fitnet, guided: 3, hint: 7}");
  CHECK(frozen(told.stages[0]) == "layers.3- head");
  CHECK(std::get<FitNetConfig>(told.stages[0].recipe.losses.features.at(0).loss).pairs ==
        std::vector<LayerPair>{{.student = 3, .teacher = 7}});
}

TEST_CASE("layer_by_layer: stage i trains layer i against its partner, the last stage all of them") {
  const Recipe recipe = read("{preset: layer_by_layer, layer_epochs: 2}", {"student.layers=3"});
  REQUIRE(recipe.stages.size() == 4);
  const Lines expected{"layers.1- head", "embeddings layers.0 layers.2- head", "embeddings layers.0-1 head", ""};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(frozen(recipe.stages[i]) == expected[i]);
    if (i == 3) continue;
    CHECK(std::get<HiddenConfig>(recipe.stages[i].recipe.losses.features.at(0).loss).only ==
          static_cast<std::int64_t>(i + 1));
    CHECK(recipe.stages[i].recipe.train.epochs == 2);
  }
  CHECK(trains_scores(stage_recipe(recipe, 3, "p")));
}

TEST_CASE("teacher_assistant: each student is the next one's teacher") {
  const Recipe recipe = read("{preset: teacher_assistant, sizes: [4, 2, 1]}");
  REQUIRE(recipe.stages.size() == 3);
  CHECK(stage_recipe(recipe, 0, "").teacher.path == "t");
  CHECK(stage_recipe(recipe, 1, "a").teacher.path == "a");
  CHECK(stage_recipe(recipe, 2, "b").teacher.path == "b");
  for (std::size_t i = 0; i < 3; ++i) CHECK(recipe.stages[i].recipe.student.layers == 4 >> i);
}

TEST_CASE("annealing: the teacher's logits are scaled by 1 - (T - 1)/10 for T from 10 to 1, then labels alone") {
  const Recipe recipe = read("{preset: annealing}");
  REQUIRE(recipe.stages.size() == 2);
  const Recipe first = stage_recipe(recipe, 0, ""), second = stage_recipe(recipe, 1, "p");
  const auto& loss = std::get<LogitMeanSquaredErrorConfig>(*first.losses.soft);
  for (std::int64_t step = 0; step < 50; ++step) {
    const auto t = static_cast<double>(10 - step / 5);
    CHECK(value(loss.teacher_scale, {.step = step, .steps = 50}) == doctest::Approx(1 - (t - 1) / 10).epsilon(1e-14));
  }
  CHECK(fixed(first.losses.hard_weight) == 0);
  CHECK(fixed(second.losses.soft_weight) == 0);
  CHECK(fixed(second.losses.hard_weight) == 1);
}

TEST_CASE("groups of weights are read and written") {
  const auto round = [](const std::string& text) {
    FreezeGroup group;
    const auto fault = group.read(text, any);
    return fault ? fmt::format("{}: {}", fault->column, fault->text) : group.text();
  };
  for (const char* text : {"embeddings", "layers", "head", "layers.3", "layers.0-2", "layers.4-"})
    CHECK(round(text) == text);
  CHECK(round("layers.0-") == "layers");
  CHECK(round("layers.2-2") == "layers.2");
  CHECK(round("layers.x") == "8: must be a layer's number");
  CHECK(round("layers.-1") == "8: must be a layer's number");
  CHECK(round("layers.3-1") == "10: must not be below the first layer");
  CHECK(round("layers.3+") == "9: must be '-' or the end");
  CHECK(round("layer.3") == "0: ");
}

TEST_CASE("faults within stages have their place, and one that all stages share is told once, above") {
  const auto at = [](const std::string& stages) { return faults_of(kBase + "stages:" + stages + "\n"); };
  CHECK(at("\n  - {trian: {}}") ==
        Lines{"r.yaml:6:6: error: unknown key 'trian' in 'stages[0]'; did you mean 'train'?"});
  CHECK(at("\n  - {}\n  - train:\n      epochs: 0") ==
        Lines{"r.yaml:8:15: error: 'stages[1].train.epochs' must be > 0, got 0"});
  CHECK(at("\n  - name: a\n    name: b") == Lines{"r.yaml:7:5: error: key 'name' is given twice in 'stages[0]'"});
  CHECK(at(" 7") == Lines{"r.yaml:5:9: error: 'stages' must be a list, or a mapping with a 'preset', got '7'"});
  CHECK(at(" [x]") == Lines{"r.yaml:5:10: error: 'stages[0]' must be a mapping, got 'x'"});
  CHECK(at(" {preset: artcle}") == Lines{"r.yaml:5:18: error: 'stages.preset' is 'artcle'; did you mean 'article'?"});
  CHECK(at(" {stages: 3}")[0].find("'stages' needs a 'preset', one of: article") != std::string::npos);
  CHECK(at(" {preset: article, 3: {}}")[0].find("has 3 stages, counted from 0, and none of number 3") !=
        std::string::npos);
  CHECK(at(" [{start: previos}]") ==
        Lines{"r.yaml:5:18: error: 'stages[0].start' is 'previos'; did you mean 'previous'?"});
  const auto shared = faults_of(
      "task: sst2\ndata: {root: g}\nteacher: {path: t}\nlosses: {soft_weight: 0, hard_weight: 0}\nstages: [{}, {}]\n");
  CAPTURE(shared);
  REQUIRE(shared.size() == 1);
  CHECK(shared[0].find("r.yaml:4:") == 0);
  CHECK(shared[0].find("nothing to minimise") != std::string::npos);
}

TEST_CASE("stages that contradict one another") {
  const auto fault = [](const std::string& stages, const std::string& place, const std::string& text) {
    const auto faults = faults_of(kBase + "stages: " + stages + "\n");
    CAPTURE(stages);
    CAPTURE(faults);
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].find("r.yaml:5:" + place) == 0);
    CHECK(faults[0].find(text) != std::string::npos);
  };
  fault("[{start: previous}]", "18", "stage 0 ('stage'): 'start: previous' needs a stage before");
  fault("[{teacher: previous}]", "11", "'teacher: previous' needs a stage before");
  fault("[{}, {losses: {soft_weight: 0, hard_weight: 0}}]", "37",
        "stage 1 ('stage'): the soft and the hard weight are both 0");
  fault("[{student: {layers: 2}}, {student: {layers: 3}}]", "53", "whose 'student.layers' is 2, and asks for 3");
  fault("[{name: a/b}]", "17", "letters, digits");
  fault("[{losses: {soft_weight: 0, hard_weight: 0, features: [{loss: {kind: hidden}}]}, train: {plateau: {}}}]", "97",
        "no score tells a plateau");
  fault("[{}, {student: {path: x}}]", "15", "give 'start: student'");
  fault("{preset: teacher_assistant, sizes: [2, 2]}", "1", "must fall from student to student, and 2 follows 2");
  const auto unknown = faults_of("task: sst2\ndata: {root: g}\nteacher: {path: t}\nstages: {preset: fitnet}\n");
  REQUIRE(unknown.size() == 1);
  CHECK(unknown[0].find("give 'student.layers'") != std::string::npos);
}

}  // namespace
}  // namespace dsd
