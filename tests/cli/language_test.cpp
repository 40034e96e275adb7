// A language model from recipe to score: a teacher on text, students that learn from what is remembered of it.
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/model/model.h"
#include "tests/check.h"
#include "tests/cli/program.h"

using namespace dsd;
using namespace dsd::test;
namespace fs = std::filesystem;

namespace {

constexpr int kWords = 10;

// Words in which each but the first of a document follows from the one before: good1 good4 good3 good0 good1 ...
std::string chain_text(int documents, int first) {
  std::string text;
  for (int d = first; d < first + documents; ++d) {
    int word = d % kWords;
    for (int i = 0; i < 6 + d % 5; ++i, word = (3 * word + 1) % kWords)
      text += fmt::format("{}good{}", i == 0 ? "" : " ", word);
    text += "\n";
  }
  return text;
}

// A decoder beside the workshop's encoder, and texts.
void make_decoder(const Workshop& shop) {
  shop.make_decoder(2);
  shop.write("train.txt", chain_text(200, 0));
  shop.write("dev.txt", chain_text(30, 3));
  shop.write("text.yaml",
             "task: language_model\ndata:\n  root: .\n  train: train.txt\n  dev: dev.txt\n  separator: \"\\n\"\n"
             "  max_length: 8\ntrain:\n  batch: 8\n  learning_rate: 5e-3\n");
}

std::vector<std::string> train(const Workshop& shop, const std::string& run, std::vector<std::string> more) {
  std::vector<std::string> arguments{
      "train", (shop / "text.yaml").string(), "--set",     "data.root=" + (shop / "").string(),
      "--run", (shop / run).string(),         "--threads", "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

nlohmann::json result_of(const Workshop& shop, const std::string& run, std::vector<std::string> more) {
  const auto file = shop / (run + ".json");
  more.insert(more.end(), {"--json", file.string()});
  const auto finished = dsdistill(train(shop, run, more));
  INFO(finished.error);
  REQUIRE(finished.code == 0);
  return nlohmann::json::parse(bytes_of(file));
}

}  // namespace

TEST_CASE("a teacher on text, students from its store, and their perplexities") {
  const Workshop shop;
  make_decoder(shop);
  const auto first = dsdistill(train(shop, "teacher", {"--student", (shop / "decoder").string(), "--epochs", "6"}));
  INFO(first.error);
  REQUIRE(first.code == 0);
  CHECK(first.error.find("floor     perplexity ") != std::string::npos);
  CHECK(first.error.find("eval " + (shop / "teacher").string() + " --task perplexity --data ") != std::string::npos);

  const std::string teacher = (shop / "teacher").string(), store = "teacher.store=" + (shop / "shared.store").string();
  const std::vector<std::string> distil{"--teacher", teacher, "--set",    "student.layers=1",
                                        "--set",     store,   "--epochs", "4"};
  const auto student = result_of(shop, "student", distil);
  CHECK(student["metric"] == "perplexity");
  CHECK(student["lower_is_better"] == true);
  CHECK(student["teacher_score"] < 4);  // of ten words, each told by the one before but for where a document ends
  CHECK(student["best_score"] < 5);

  const auto again = dsdistill(train(shop, "again", distil));
  INFO(again.error);
  REQUIRE(again.code == 0);
  CHECK(again.error.find("shared.store: ") != std::string::npos);
  CHECK(again.error.find("store: 0 examples") == std::string::npos);
  CHECK(bytes_of(shop / "again/student/model.safetensors") == bytes_of(shop / "student/student/model.safetensors"));

  const auto scored = dsdistill({"eval", teacher, (shop / "student").string(), "--task", "perplexity", "--data",
                                 (shop / "dev.txt").string(), "--json", (shop / "scores.json").string()});
  INFO(scored.error);
  REQUIRE(scored.code == 0);
  CHECK(scored.out.find("bits a byte") != std::string::npos);
  const auto table = nlohmann::json::parse(bytes_of(shop / "scores.json"));
  const auto& metrics = table["models"][1]["tasks"][0]["metrics"];
  CHECK(metrics["perplexity"].get<double>() == doctest::Approx(student["best_score"].get<double>()).epsilon(1e-5));
  CHECK(std::log(metrics["perplexity"].get<double>()) ==
        doctest::Approx(metrics["negative_log_likelihood"].get<double>()).epsilon(1e-9));
  CHECK(table["models"][1]["retention"]["raw"].get<double>() ==
        doctest::Approx(student["teacher_score"].get<double>() / student["best_score"].get<double>()).epsilon(1e-4));
}

TEST_CASE("over a vocabulary each loss against the teacher teaches by itself, and what moves in it is logged") {
  const Workshop shop;
  make_decoder(shop);
  REQUIRE(dsdistill(train(shop, "teacher", {"--student", (shop / "decoder").string(), "--epochs", "6"})).code == 0);
  for (const std::string kind : {"soft_cross_entropy", "skew_kl", "skew_reverse_kl", "total_variation", "taid"}) {
    CAPTURE(kind);
    const auto result = result_of(
        shop, kind,
        {"--teacher", (shop / "teacher").string(), "--set", "student.layers=1", "--set", "losses.soft.kind=" + kind,
         "--set", "losses.hard_weight=0", "--set", "losses.temperature=1", "--epochs", "4"});
    CHECK(result["best_score"] < 5);
  }
  CHECK(bytes_of(shop / "taid/log.jsonl").find("\"target_share\":0.4") != std::string::npos);
}

TEST_CASE("gradients do not depend on the cut into micro-batches, and a resumed run has the bits of the whole one") {
  const Workshop shop;
  make_decoder(shop);
  const auto losses = [&](const std::string& run, const std::string& tokens) {
    const auto finished = dsdistill(train(
        shop, run,
        {"--student", (shop / "decoder").string(), "--set", "train.max_steps=5", "--set", "train.tokens=" + tokens}));
    INFO(finished.error);
    REQUIRE(finished.code == 0);
    return losses_of(shop / run);
  };
  const auto whole = losses("whole", "100000"), cut = losses("cut", "8");
  REQUIRE(whole.size() == 10);
  REQUIRE(cut.size() == 10);
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(cut[i] == doctest::Approx(whole[i]).epsilon(1e-4));
}

TEST_CASE("a dry run plans for a tile of scores; faults come before step 1") {
  const Workshop shop;
  make_decoder(shop);
  const auto plan = dsdistill(train(shop, "run", {"--student", (shop / "decoder").string(), "--dry-run"}));
  INFO(plan.error);
  CHECK(plan.code == 0);
  CHECK(plan.out.find("a tile of scores") != std::string::npos);
  CHECK(plan.out.find("temperature: 3.5") != std::string::npos);
  const auto fault = [&](std::vector<std::string> more, int code, const std::string& text) {
    const auto finished = dsdistill(train(shop, "run", std::move(more)));
    INFO(finished.error);
    CHECK(finished.code == code);
    CHECK(finished.error.find(text) != std::string::npos);
  };
  fault({"--student", (shop / "model").string()}, 2, "has no head that tells the next token");
  fault({"--student", (shop / "decoder").string(), "--set", "data.max_length=65"}, 2, "has positions for 64 tokens");
  shop.write("train.txt", "good1 \xff");
  fault({"--student", (shop / "decoder").string()}, 1, "train.txt:1: byte 7 of the line is not valid UTF-8");
}

TEST_CASE("a language model goes through stages: frozen embeddings keep their bits, and an assistant teaches") {
  const Workshop shop;
  make_decoder(shop);
  const std::string decoder = (shop / "decoder").string();
  result_of(shop, "teacher", {"--student", decoder, "--set", "train.max_steps=30"});
  const auto json =
      result_of(shop, "run",
                {"--teacher", (shop / "teacher").string(), "--set", "train.max_steps=10", "--set",
                 "stages=[{student: {freeze: [embeddings]}}, {student: {layers: 1}, teacher: previous}]"});
  REQUIRE(json["stages"].size() == 2);
  CHECK(json["stages"][0]["best_score"].is_number());
  const auto before = load_frozen_model(shop / "teacher/student"),
             after = load_frozen_model(shop / "run/stages/0-stage/student");
  const auto left = checkpoint_tensors(*before), right = checkpoint_tensors(*after);
  REQUIRE(left.size() == right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    const bool frozen = left[i].name.find("embed_tokens") != std::string::npos;
    CAPTURE(left[i].name);
    CHECK(left[i].value.equal(right[i].value) == frozen);
  }
}
