// The program from recipe to shipped student, and the faults that it must name.
#include <nlohmann/json.hpp>

#include "core/formats/safetensors.h"
#include "tests/check.h"
#include "tests/cli/program.h"

using namespace dsd::test;
namespace fs = std::filesystem;

namespace {

struct Fault {
  int code;
  std::string text;
};

void check_fault(const std::vector<std::string>& arguments, const Fault& fault) {
  const auto finished = dsdistill(arguments);
  INFO(finished.error);
  CHECK(finished.code == fault.code);
  CHECK(finished.error.find(fault.text) != std::string::npos);
}

}  // namespace

TEST_CASE("teacher, student, baseline, score, export, predict") {
  const Workshop shop;
  const std::string model = (shop / "model").string(), teacher = (shop / "teacher").string(),
                    student = (shop / "student").string();
  const auto first = dsdistill(shop.train("teacher", {"--student", model, "--epochs", "12"}));
  INFO(first.error);
  REQUIRE(first.code == 0);
  const auto second = dsdistill(shop.train("student", {"--teacher", teacher, "--set", "student.layers=1", "--epochs",
                                                       "4", "--baseline", "--json", (shop / "result.json").string()}));
  INFO(second.error);
  REQUIRE(second.code == 0);
  const auto result = nlohmann::json::parse(bytes_of(shop / "result.json"));
  CHECK(result["best_score"] > 0.9);  // the task is separable; the majority class has two thirds
  CHECK(result["baseline_score"].is_number());

  const auto scores = shop / "scores.json", predictions = shop / "predictions.tsv";
  const auto scored = dsdistill({"eval", student, "--task", "classification", "--data", (shop / "").string(), "--set",
                                 "data.train=train.tsv", "--set", "data.dev=dev.tsv", "--json", scores, "--predictions",
                                 predictions, "--no-speed"});
  INFO(scored.error);
  REQUIRE(scored.code == 0);
  const auto table = nlohmann::json::parse(bytes_of(scores));
  CHECK(table["models"][0]["tasks"][0]["metrics"]["accuracy"] == result["best_score"]);
  CHECK(bytes_of(predictions).starts_with("index\tprediction\n0\t"));

  for (const char* scheme : {"fp32", "bf16", "fp16"}) {
    const auto out = shop / scheme;
    const auto exported = dsdistill({"export", student, out, "--scheme", scheme});
    INFO(exported.error);
    CHECK(exported.code == 0);
    const auto label = dsdistill({"predict", out, "good1 good4 bad7 good0 good3"});
    CHECK(label.out.starts_with("good\t"));
  }
  check_fault({"export", student, shop / "fp32", "--scheme", "fp32"}, {1, "is there already"});
}

TEST_CASE("gradients do not depend on the cut into micro-batches") {
  const Workshop shop;
  const auto losses = [&](const std::string& run, const std::string& tokens) {
    REQUIRE(dsdistill(shop.train(run, {"--student", (shop / "model").string(), "--set", "train.max_steps=5", "--set",
                                       "train.tokens=" + tokens}))
                .code == 0);
    return losses_of(shop / run);
  };
  const auto whole = losses("whole", "100000"), cut = losses("cut", "16");
  REQUIRE(whole.size() == 10);
  REQUIRE(cut.size() == 10);
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(cut[i] == doctest::Approx(whole[i]).epsilon(1e-4));
}

TEST_CASE("each loss against the teacher teaches by itself; one that could not is refused before step 1") {
  const Workshop shop;
  const std::string teacher = (shop / "teacher").string();
  REQUIRE(dsdistill(shop.train("teacher", {"--student", (shop / "model").string(), "--epochs", "12"})).code == 0);
  const auto flags = [&](const std::string& soft) {
    return std::vector<std::string>{"--teacher", teacher,
                                    "--set",     "student.layers=1",
                                    "--epochs",  "6",
                                    "--set",     "losses.soft=" + soft,
                                    "--set",     "losses.hard_weight=0"};
  };
  int run = 0;
  for (const char* soft :
       {"{kind: soft_cross_entropy}", "{kind: skew_kl, correct_teacher: mft}", "{kind: skew_reverse_kl}",
        "{kind: total_variation, correct_teacher: probability_shift}", "{kind: taid}", "{kind: decoupled_kd}",
        "{kind: dist}", "{kind: contrastive}", "{kind: mean_squared_error}"}) {
    CAPTURE(soft);
    const auto json = shop / "result.json";
    auto arguments = shop.train(fmt::format("run{}", run++), flags(soft));
    arguments.insert(arguments.end(), {"--json", json.string()});
    const auto finished = dsdistill(arguments);
    INFO(finished.error);
    REQUIRE(finished.code == 0);
    CHECK(nlohmann::json::parse(bytes_of(json))["best_score"] > 0.8);  // the majority class has two thirds
  }
  for (const char* soft : {"{kind: forward_kl, standardise: true}", "{kind: dist, intra_weight: 0}",
                           "{kind: decoupled_kd, target_weight: 0}"})
    check_fault(shop.train("refused", flags(soft)), {2, "teach nothing with 2 classes"});
}

TEST_CASE("a dry run prints the plan and writes nothing") {
  const Workshop shop;
  const auto plan = dsdistill(shop.train("run", {"--student", (shop / "model").string(), "--dry-run"}));
  INFO(plan.error);
  CHECK(plan.code == 0);
  for (const char* line : {"soft_weight: 0.7", "steps     90 (30 an epoch)", "memory    about", "time      about"})
    CHECK(plan.out.find(line) != std::string::npos);
  CHECK_FALSE(fs::exists(shop / "run"));
}

TEST_CASE("a loss that is not finite changes nothing, and ends the run with code 3 after a few") {
  const Workshop shop;
  check_fault(shop.train("run", {"--student", (shop / "model").string(), "--set", "train.learning_rate=1e30", "--set",
                                 "train.clip_norm=null", "--set", "schedules.learning_rate=1"}),
              {3, "not finite for 5 steps in a row"});
}

TEST_CASE("faults of data and models are told before step 1") {
  const Workshop shop;
  const std::string model = (shop / "model").string();
  const auto with_data = [&](const std::string& text, const std::string& fault) {
    shop.write("train.tsv", text);
    check_fault(shop.train("run", {"--student", model}), {1, fault});
    CHECK_FALSE(fs::exists(shop / "run"));
  };
  with_data("", "empty");
  with_data("text\tlabel\ngood1\n", "train.tsv:2");
  with_data("text\tlabel\ngood1 \xff\tgood\nbad1\tbad\n", "UTF-8");
  with_data("other\tlabel\ngood1\tgood\n", "text");
  check_fault(shop.train("run", {"--student", (shop / "none").string()}), {1, "none"});
  check_fault(shop.train("run", {"--student", model, "--set", "train.device=cuda"}), {1, "cuda"});
  check_fault(shop.train("run", {"--student", model, "--set", "train.bach=8"}), {2, "did you mean 'batch'?"});
}

TEST_CASE("a truncated checkpoint is named") {
  const Workshop shop;
  const auto weights = shop / "model/model.safetensors";
  shop.write("model/model.safetensors", bytes_of(weights).substr(0, 1000));
  check_fault(shop.train("run", {"--student", (shop / "model").string()}), {1, "model.safetensors"});
}

TEST_CASE("teacher and student whose tokenizers or labels differ are refused") {
  const Workshop shop;
  const std::string model = (shop / "model").string();
  REQUIRE(dsdistill(shop.train("teacher", {"--student", model, "--set", "train.max_steps=2"})).code == 0);
  fs::copy(shop / "model", shop / "other");
  std::string vocabulary = bytes_of(shop / "model/vocab.txt");
  vocabulary.replace(vocabulary.find("bad9"), 4, "good10");
  shop.write("other/vocab.txt", vocabulary);
  check_fault(shop.train("run", {"--teacher", (shop / "teacher").string(), "--student", (shop / "other").string()}),
              {2, "tokenizers"});
  auto train = bytes_of(shop / "train.tsv"), dev = bytes_of(shop / "dev.tsv");
  for (auto* text : {&train, &dev})
    for (auto at = text->find("\tbad\n"); at != std::string::npos; at = text->find("\tbad\n"))
      text->replace(at, 5, "\tawful\n");
  shop.write("train.tsv", train);
  shop.write("dev.tsv", dev);
  check_fault(shop.train("run", {"--teacher", (shop / "teacher").string()}), {2, "awful"});
}

TEST_CASE("a loss from the command line has the golden value") {
  const std::string student = "[1, 1.5, -0.5, 0, 0.25]", teacher = "[2, 1, 0, -1, 0.5]";
  const auto kl = dsdistill({"loss", "forward_kl", "--student", student, "--teacher", teacher, "--temperature", "2"});
  CHECK(std::stod(kl.out) == doctest::Approx(0.247923457499).epsilon(1e-11));
  const auto hard = dsdistill({"loss", "cross_entropy", "--student", student, "--labels", "[0]"});
  CHECK(std::stod(hard.out) == doctest::Approx(1.311597060474).epsilon(1e-11));
  const auto cosine = dsdistill({"loss", "cosine", "--student", "[0.3, -0.2, 0.5]", "--teacher", "[0.1, 0.4, 0.2]"});
  CHECK(std::stod(cosine.out) == doctest::Approx(0.823001918649).epsilon(1e-11));
  check_fault({"loss", "hidden", "--student", "[1, 2]", "--teacher", "[1, 2, 3]"}, {2, "give states of one width"});
  const auto decoupled = dsdistill(
      {"loss", "decoupled_kd", "--student", student, "--teacher", teacher, "--labels", "[0]", "--temperature", "4"});
  CHECK(std::stod(decoupled.out) == doctest::Approx(1.410352819754).epsilon(1e-11));
  const auto of_pool =
      dsdistill({"loss", "dist", "--student", "[[1, 2, 0], [0, 3, 1]]", "--teacher", "[[1, 2, 0], [0, 3, 1]]"});
  CHECK(std::stod(of_pool.out) == doctest::Approx(0));
  check_fault({"loss", "forward_kl", "--student", student, "--teacher", teacher, "--labels", "[0]"},
              {2, "does not read --labels"});
  check_fault({"loss", "forward_lk", "--student", student, "--teacher", teacher}, {2, "did you mean 'forward_kl'?"});
  check_fault({"loss", "forward_kl", "--student", "[1, 2", "--teacher", teacher}, {2, "--student"});
}
