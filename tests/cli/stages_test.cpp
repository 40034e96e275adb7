// Runs in stages: each is the run that its recipe alone would be, what is frozen keeps its bits, and a resumed run goes
// on in the right stage, in the same bits.
#include <signal.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/model/model.h"
#include "tests/check.h"
#include "tests/cli/program.h"

using namespace dsd::test;
namespace fs = std::filesystem;

namespace {

struct Job {
  Workshop shop;
  std::string teacher = (shop / "teacher").string();

  Job() {
    const auto made = dsdistill(shop.train("teacher", {"--student", (shop / "model").string(), "--epochs", "3"}));
    INFO(made.error);
    REQUIRE(made.code == 0);
  }

  std::vector<std::string> arguments(const std::string& run, const std::string& stages,
                                     const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"--teacher", teacher, "--set", "stages=" + stages};
    all.insert(all.end(), more.begin(), more.end());
    return shop.train(run, all);
  }
  Finished run(const std::string& name, const std::string& stages, const std::vector<std::string>& more = {}) const {
    auto finished = dsdistill(arguments(name, stages, more));
    INFO(finished.error);
    REQUIRE(finished.code == 0);
    return finished;
  }
  fs::path stage(const std::string& run, const std::string& name) const { return shop / run / "stages" / name; }
};

const std::vector<std::string> kShort{"--set", "train.max_steps=12", "--set", "train.save_every=5",
                                      "--set", "eval.every=6"};

std::vector<std::string> with(std::vector<std::string> flags, const std::vector<std::string>& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

std::string student_of(const fs::path& run) { return bytes_of(run / "student/model.safetensors"); }
bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// Names of the tensors that differ between two model folders of one shape.
std::vector<std::string> changed(const fs::path& one, const fs::path& other) {
  const auto a = dsd::load_frozen_model(one), b = dsd::load_frozen_model(other);
  const auto left = dsd::checkpoint_tensors(*a), right = dsd::checkpoint_tensors(*b);
  REQUIRE(left.size() == right.size());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < left.size(); ++i)
    if (!left[i].value.equal(right[i].value)) names.push_back(left[i].name);
  return names;
}

nlohmann::json json_of(const fs::path& file) { return nlohmann::json::parse(bytes_of(file)); }

}  // namespace

TEST_CASE(
    "one stage is the run that it would be without stages; the second is a run of its own from the first one's "
    "student") {
  const Job job;
  // Stages share the teacher's store, whose last bit hangs on the batch that an example was first seen in.
  const auto flags = with(kShort, {"--set", "student.layers=1", "--set", "teacher.remember=false"});
  job.run("plain", "[]", flags);
  job.run("staged", "[{name: a}, {name: b, losses: {temperature: 4}, student: {layers: 1}}]", flags);
  const fs::path a = job.stage("staged", "0-a"), b = job.stage("staged", "1-b");
  CHECK(student_of(a) == student_of(job.shop / "plain"));
  CHECK(losses_of(a) == losses_of(job.shop / "plain"));
  CHECK(student_of(job.shop / "staged") == student_of(b));
  job.run("second", "[]",
          with(flags, {"--student", (a / "student").string(), "--set", "losses.temperature=4", "--set", "seed=1"}));
  CHECK(student_of(b) == student_of(job.shop / "second"));
  CHECK(losses_of(b) == losses_of(job.shop / "second"));
}

TEST_CASE("in a chain of assistants each student is taught by the one before, whose logits they are") {
  const Job job;
  job.run("chain", "{preset: teacher_assistant, sizes: [2, 1]}", kShort);
  const fs::path assistant = job.stage("chain", "0-assistant2"), student = job.stage("chain", "1-student1");
  // A plain run that names the assistant as its teacher ends in the same bits; one that names the teacher does not.
  const auto alone = [&](const std::string& name, const std::string& teacher) {
    auto flags =
        with(kShort, {"--student", (assistant / "student").string(), "--set", "seed=1", "--set", "student.layers=1"});
    flags.insert(flags.end(), {"--teacher", teacher});
    std::vector<std::string> all = job.shop.train(name, flags);
    const auto finished = dsdistill(all);
    INFO(finished.error);
    REQUIRE(finished.code == 0);
    return student_of(job.shop / name);
  };
  CHECK(student_of(student) == alone("taught", (assistant / "student").string()));
  CHECK(student_of(student) != alone("other", job.teacher));
}

TEST_CASE("a floor that the first teacher keeps is not the assistants', unless a stage gives them one") {
  const Job job;
  const std::string floor = "teacher.floor=0.5";
  job.run("run", "[{}, {teacher: previous}]", with(kShort, {"--set", floor}));
  const auto refused = dsdistill(
      job.arguments("floor", "[{}, {teacher: {path: previous, floor: 1.5}}]", with(kShort, {"--set", floor})));
  CHECK(refused.code == 4);
  CHECK(contains(refused.error, "not teacher.floor 1.5"));
}

TEST_CASE("what is frozen keeps its bits, all else moves") {
  const Job job;
  job.run(
      "run",
      "[{student: {freeze: [embeddings, layers.0]}, losses: {soft_weight: 1}}, {student: {freeze: [layers.1-, head]}}]",
      with(kShort, {"--set", "train.weight_decay=0.1"}));
  const fs::path first = job.stage("run", "0-stage") / "student", second = job.stage("run", "1-stage") / "student";
  const auto check = [](const std::vector<std::string>& moved, const std::vector<std::string>& frozen,
                        const std::vector<std::string>& trained) {
    for (const auto& part : frozen)
      for (const auto& name : moved) CHECK_FALSE(contains(name, part));
    for (const auto& part : trained) {
      CAPTURE(part);
      CHECK(std::ranges::any_of(moved, [&](const auto& name) { return contains(name, part); }));
    }
  };
  check(changed(job.shop / "teacher/student", first), {"embeddings.", "layer.0."},
        {"layer.1.", "pooler", "classifier"});
  check(changed(first, second), {"layer.1.", "pooler", "classifier"}, {"embeddings.", "layer.0."});
}

TEST_CASE("a hint trains up to its layer alone, without a score, and its one pair is shown") {
  const Job job;
  const auto done = job.run("run", "{preset: fitnet, hint_epochs: 0.4}",
                            with(kShort, {"--set", "student.layers=2", "--json", (job.shop / "out.json").string()}));
  CHECK(contains(done.error, "features  fitnet: student's hidden.1 [T, 32] with teacher's hidden.1 [T, 32]"));
  CHECK(contains(done.error, "its losses train no head"));
  for (const auto& name : changed(job.shop / "teacher/student", job.stage("run", "0-hint") / "student"))
    CHECK((contains(name, "embeddings.") || contains(name, "layer.0.")));
  const auto json = json_of(job.shop / "out.json");
  REQUIRE(json["stages"].size() == 2);
  CHECK(json["stages"][0]["name"] == "hint");
  CHECK(json["stages"][0]["best_score"].is_null());
  CHECK(json["stages"][0]["steps"] == 12);
  CHECK(json["stages"][1]["best_score"] == json["best_score"]);
  CHECK(json["stages"][1]["seconds"].get<double>() > 0);
}

TEST_CASE("stages of one teacher share what is remembered of it") {
  const Job job;
  job.run("run", "{preset: article, stages: 2}",
          with(kShort, {"--set", "student.layers=1", "--epochs", "1", "--set", "train.max_steps=30"}));
  std::vector<std::string> stores;
  for (const auto& entry : fs::recursive_directory_iterator(job.shop / "run"))
    if (entry.path().extension() == ".store") stores.push_back(entry.path().filename());
  REQUIRE(stores.size() == 1);
  for (const char* name : {"0-article0", "1-article1"}) {
    const auto record = json_of(job.stage("run", name) / "stage.json");
    CHECK(record["store"] == stores[0]);
    CHECK(record["held"] == 30);  // each text once: of the 240, one in eight is new
  }
}

TEST_CASE("a stage ends on a plateau, and resumed it stays ended") {
  const Job job;
  const std::string stages = "[{train: {plateau: {evaluations: 2, min_gain: 0.5}}}, {}]";
  const auto flags = with(kShort, {"--set", "eval.every=2", "--json", (job.shop / "out.json").string()});
  job.run("run", stages, flags);
  const auto json = json_of(job.shop / "out.json");
  // The first evaluation sets the score; the two after it cannot gain a half.
  CHECK(json["stages"][0]["steps"] == 6);
  CHECK(json["stages"][0]["on_plateau"] == true);
  CHECK(json["stages"][1]["steps"] == 12);
  const std::string expected = student_of(job.shop / "run");
  fs::remove(job.stage("run", "0-stage") / "stage.json");
  fs::remove_all(job.stage("run", "1-stage"));
  job.run("run", stages, with(flags, {"--resume"}));
  CHECK(json_of(job.shop / "out.json")["stages"][0]["steps"] == 6);
  CHECK(student_of(job.shop / "run") == expected);
}

TEST_CASE("resumed inside a stage, between two, and before the record of one, a run ends in the same bits") {
  const Job job;
  const std::string stages =
      "[{name: a}, {name: b, losses: {features: [{loss: {kind: hidden}}]}}, {name: c, teacher: previous}]";
  const auto flags = with(kShort, {"--set", "student.layers=1"});
  job.run("run", stages, flags);
  const fs::path run = job.shop / "run";
  const std::string expected = student_of(run);
  const auto last = bytes_of(job.stage("run", "2-c") / "checkpoints/step-000012/optimiser.safetensors");
  const auto resumed = [&](const std::string& told) {
    fs::remove_all(run / "student");
    const auto finished = job.run("run", stages, with(flags, {"--resume"}));
    INFO(finished.error);
    CHECK(contains(finished.error, told));
    CHECK(student_of(run) == expected);
    CHECK(bytes_of(job.stage("run", "2-c") / "checkpoints/step-000012/optimiser.safetensors") == last);
  };
  fs::remove_all(job.stage("run", "2-c"));
  fs::remove(job.stage("run", "1-b") / "stage.json");
  fs::remove_all(job.stage("run", "1-b") / "checkpoints/step-000012");
  resumed("resume    from the checkpoint of step 10");
  fs::remove_all(job.stage("run", "2-c"));
  resumed("1 of 3: a: done before");
  fs::remove(job.stage("run", "2-c") / "stage.json");
  resumed("resume    from the checkpoint of step 12");

  const auto changed_recipe =
      dsdistill(job.arguments("run", stages, with(flags, {"--set", "stages.1.train.batch=4", "--resume"})));
  CHECK(changed_recipe.code == 2);
  CHECK(contains(changed_recipe.error, "recipe:       batch: 4"));
  fs::copy_file(job.stage("run", "0-a") / "student/model.safetensors",
                job.stage("run", "1-b") / "student/model.safetensors", fs::copy_options::overwrite_existing);
  const auto tampered = dsdistill(job.arguments("run", stages, with(flags, {"--resume"})));
  CHECK(tampered.code == 1);
  CHECK(contains(tampered.error, "are not those that the stage ended with"));
}

TEST_CASE("a signal in the second stage ends the run, saved, and it goes on there") {
  const Job job;
  const std::string stages = "[{name: a, train: {max_steps: 4}}, {name: b}]";
  const auto flags = [](const char* steps) {
    return std::vector<std::string>{
        "--epochs",           "1000",  "--set",        std::string("train.max_steps=") + steps, "--set",
        "train.save_every=5", "--set", "eval.every=40"};
  };
  job.run("whole", stages, flags("400"));
  const pid_t process = start(job.arguments("run", stages, flags("400")), job.shop / "log");
  while (!fs::exists(job.stage("run", "1-b") / "checkpoints/step-000005") && ::kill(process, 0) == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::kill(process, SIGTERM);
  CHECK(wait_for(process) == 143);
  CHECK(contains(bytes_of(job.shop / "log"), "--resume"));
  CHECK_FALSE(fs::exists(job.stage("run", "1-b") / "stage.json"));
  job.run("run", stages, with(flags("400"), {"--resume"}));
  CHECK(student_of(job.shop / "run") == student_of(job.shop / "whole"));
  CHECK(losses_of(job.stage("run", "1-b")) == losses_of(job.stage("whole", "1-b")));
}

TEST_CASE("what no stage can do is told before the first step of any") {
  const Job job;
  const auto fault = [&](const std::string& stages, const std::string& text) {
    const auto finished = dsdistill(job.arguments("none", stages, kShort));
    INFO(finished.error);
    CHECK(finished.code == 2);
    CHECK(contains(finished.error, text));
    CHECK_FALSE(fs::exists(job.shop / "none"));
  };
  fault("[{}, {student: {freeze: [layers.2]}}]",
        "stage 1 ('stage'): student.freeze: 'layers.2' names a layer beyond the student's 2");
  fault("[{student: {freeze: [embeddings, layers, head]}}]", "nothing is left to train");
  fault("[{student: {layers: 1}}, {losses: {features: [{loss: {kind: hidden, only: 2}}]}}]",
        "stage 1 ('stage'): losses.features: hidden names layer 2 of the student, which has 1");
  const auto missing = dsdistill(job.arguments("none", "[{}, {start: ./nowhere}]", kShort));
  CHECK(missing.code == 1);  // a file, as it is without stages
  CHECK(contains(missing.error, "stage 1 ('stage'): ./nowhere: no such folder"));
  CHECK_FALSE(fs::exists(job.shop / "none"));
}

TEST_CASE("a dry run shows each stage; a baseline takes all the stages' steps; eval reads a staged run") {
  const Job job;
  const std::string stages = "{preset: teacher_assistant, sizes: [2, 1]}";
  const auto plan = dsdistill(job.arguments("none", stages, with(kShort, {"--dry-run"})));
  INFO(plan.error);
  CHECK(plan.code == 0);
  CHECK_FALSE(fs::exists(job.shop / "none"));
  for (const char* text : {"stage     1 of 2: assistant2", "stage     2 of 2: student1", "2 layers x 32",
                           "1 layers x 32", "memory ", "steps     12"})
    CHECK(contains(plan.out, text));
  job.run("run", stages, with(kShort, {"--baseline", "--json", (job.shop / "out.json").string()}));
  CHECK(json_of(job.shop / "out.json")["baseline_score"].is_number());
  CHECK(losses_of(job.shop / "run/baseline").size() == 2 * 24);
  const auto scored =
      dsdistill({"eval", (job.shop / "run").string(), "--task", "classification", "--data", job.shop / "", "--set",
                 "data.train=train.tsv", "--set", "data.dev=dev.tsv", "--threads", "1"});
  INFO(scored.error);
  CHECK(scored.code == 0);
}

TEST_CASE("the recipes of stages run") {
  const Job job;
  for (const std::string name : {"glue_progressive", "glue_tinybert_stages", "glue_fitnet_stages",
                                 "glue_layer_by_layer", "glue_teacher_assistant", "glue_annealing"}) {
    CAPTURE(name);
    std::vector<std::string> arguments{
        "train",     name,        "--task", "classification",           "--data",    (job.shop / "").string(),
        "--teacher", job.teacher, "--run",  (job.shop / name).string(), "--threads", "1"};
    for (const char* set : {"data.train=train.tsv", "data.dev=dev.tsv", "data.max_length=16", "train.max_steps=3"})
      arguments.insert(arguments.end(), {"--set", set});
    if (name == "glue_teacher_assistant") arguments.insert(arguments.end(), {"--set", "stages.sizes=[2, 1]"});
    const auto finished = dsdistill(arguments);
    INFO(finished.error);
    REQUIRE(finished.code == 0);
    CHECK(fs::exists(job.shop / name / "student/model.safetensors"));
  }
}

TEST_CASE("a teacher's logits are scaled before they are regressed") {
  const auto loss = [](const char* scale) {
    return dsdistill({"loss", "mean_squared_error", "--student", "[1, 2]", "--teacher", "[2, 4]", "--set",
                      std::string("teacher_scale: ") + scale})
        .out;
  };
  CHECK(std::stod(loss("0.5")) == 0);
  CHECK(std::stod(loss("1")) == doctest::Approx((1.0 + 4) / 2));
  CHECK(std::stod(loss("0.25 -> 1 in 4 stages")) == doctest::Approx((0.25 + 1) / 2));  // its first step: [0.5, 1]
}
