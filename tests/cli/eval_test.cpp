// Scores and predictions from the command line: the table, JSON, files of predictions, lines labelled as they come.
#include <nlohmann/json.hpp>

#include <sstream>

#include "tests/check.h"
#include "tests/cli/program.h"

using namespace dsd::test;

namespace {

// A model of two classes and few steps: what it says matters little here.
std::string trained(const Workshop& shop, const std::string& run, const std::vector<std::string>& more = {}) {
  std::vector<std::string> flags{"--student", (shop / "model").string(), "--set", "train.max_steps=3"};
  flags.insert(flags.end(), more.begin(), more.end());
  const auto finished = dsdistill(shop.train(run, flags));
  INFO(finished.error);
  REQUIRE(finished.code == 0);
  return (shop / run).string();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("eval compares models, and its predictions give the accuracy that it states") {
  const Workshop shop;
  const std::string first = trained(shop, "first"), second = trained(shop, "second", {"--set", "student.layers=1"});
  const std::vector<std::string> task{"--task", "classification", "--data", (shop / "").string()};
  std::vector<std::string> both{"eval", first, second, "--json", shop / "scores.json"};
  both.insert(both.end(), task.begin(), task.end());  // columns and files come from the run's recipe
  const auto scored = dsdistill(both);
  INFO(scored.error);
  REQUIRE(scored.code == 0);
  const auto table = lines_of(scored.out);
  REQUIRE(table.size() >= 4);
  CHECK(table[0].starts_with("model "));
  CHECK(table[3].starts_with("majority class (good) "));
  const auto json = nlohmann::json::parse(bytes_of(shop / "scores.json"));
  CHECK(json["version"] == 1);
  CHECK(json["models"][0]["retention"]["raw"] == 1.0);
  CHECK(json["models"][1]["bytes"] < json["models"][0]["bytes"]);
  CHECK(json["models"][1]["parameters"] < json["models"][0]["parameters"]);
  for (const auto& model : json["models"])
    for (const char* batch : {"batch_1", "batch_32"})
      for (const char* figure : {"model", "end_to_end", "speed_up"}) CHECK(model["speed"][batch][figure] > 0.0);

  std::vector<std::string> one{"eval", second, "--predictions", shop / "p.tsv", "--no-speed"};
  one.insert(one.end(), task.begin(), task.end());
  REQUIRE(dsdistill(one).code == 0);
  const auto predictions = lines_of(bytes_of(shop / "p.tsv")), rows = lines_of(bytes_of(shop / "dev.tsv"));
  REQUIRE(predictions.size() == rows.size());
  int right = 0, majority = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::string label = rows[i].substr(rows[i].find('\t') + 1);
    right += predictions[i] == std::to_string(i - 1) + "\t" + label ? 1 : 0;
    majority += label == "good" ? 1 : 0;
  }
  const double count = static_cast<double>(rows.size() - 1);
  const auto& task_json = json["models"][1]["tasks"][0];
  CHECK(task_json["rows"] == rows.size() - 1);
  CHECK(task_json["metrics"]["accuracy"].get<double>() == doctest::Approx(right / count).epsilon(1e-12));
  CHECK(json["majority"]["tasks"][0]["metrics"]["accuracy"].get<double>() ==
        doctest::Approx(majority / count).epsilon(1e-12));
}

TEST_CASE("eval refuses what it cannot compare") {
  const Workshop shop;
  const std::string model = trained(shop, "run"), data = (shop / "").string();
  const auto fault = [](const std::vector<std::string>& arguments, int code, const std::string& text) {
    const auto finished = dsdistill(arguments);
    INFO(finished.error);
    CHECK(finished.code == code);
    CHECK(finished.error.find(text) != std::string::npos);
  };
  fault({"eval", model, model, "--task", "classification", "--data", data, "--predictions", shop / "p"}, 2,
        "--predictions takes one model");
  fault({"eval", model, "--task", "classification", "--data", data, "--split", "final"}, 2,
        "--split is 'final'; expected dev, test or train");
  fault({"eval", model, "--task", "sst3", "--data", data}, 2, "did you mean 'sst2'?");
  fault({"eval", model, "--task", "sst2", "--data", data}, 1, "no column 'sentence' in the header");
  fault({"eval", (shop / "model").string(), "--task", "classification", "--data", data, "--set", "data.train=train.tsv",
         "--set", "data.dev=dev.tsv"},
        2, "has no head for classes or values");
}

TEST_CASE("predict keeps a place for a line that it cannot label, and says why") {
  const Workshop shop;
  const std::string model = trained(shop, "run");
  const auto labelled =
      dsdistill({"predict", model, "good1 good2", "good1\tbad1", "bad \xff", "bad3", "--json", shop / "p.json"});
  CHECK(labelled.code == 1);
  const auto lines = lines_of(labelled.out);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].ends_with("\tgood1 good2"));
  CHECK(lines[1] == "-\t-\tgood1\tbad1");
  CHECK(lines[2].starts_with("-\t-\t"));
  CHECK(lines[3].ends_with("\tbad3"));
  CHECK(labelled.error.find("text 2: error: two texts (there is a tab), but " + model + " labels single ones") !=
        std::string::npos);
  CHECK(labelled.error.find("text 3: error: byte 5 is not valid UTF-8") != std::string::npos);
  const auto json = nlohmann::json::parse(bytes_of(shop / "p.json"));
  REQUIRE(json["predictions"].size() == 4);
  const auto& first = json["predictions"][0];
  CHECK(first["probabilities"]["good"].get<double>() + first["probabilities"]["bad"].get<double>() ==
        doctest::Approx(1).epsilon(1e-12));
  CHECK(first["probability"].get<double>() == first["probabilities"][first["label"].get<std::string>()].get<double>());
  CHECK(json["predictions"][2]["error"] == "text 3: byte 5 is not valid UTF-8");
}

TEST_CASE("a model of pairs asks for pairs") {
  const Workshop shop;
  std::string pairs = "text\tother\tlabel\n";
  for (int i = 0; i < 40; ++i) pairs += i % 3 != 0 ? "good1 bad2\tgood3\tgood\n" : "bad1\tbad2 good3\tbad\n";
  shop.write("train.tsv", pairs);
  shop.write("dev.tsv", pairs);
  const std::string model = trained(shop, "run", {"--set", "data.columns.text_pair=other"});
  const auto single = dsdistill({"predict", model, "good1"});
  CHECK(single.code == 1);
  CHECK(single.error.find("one text, but " + model + " compares two; separate them by a tab") != std::string::npos);
  const auto pair = dsdistill({"predict", model, "good1\tgood2"});
  CHECK(pair.code == 0);
  CHECK(pair.out.ends_with("\tgood1\tgood2\n"));
}
