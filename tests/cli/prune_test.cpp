// `dsdistill prune` and `student.start: pruned`: what is cut loads, scores as was printed, and trains on.
#include <nlohmann/json.hpp>

#include "core/model/model.h"
#include "tests/check.h"
#include "tests/cli/program.h"

using namespace dsd;
using namespace dsd::test;
namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

Finished good(const std::vector<std::string>& arguments) {
  auto finished = dsdistill(arguments);
  INFO(finished.error);
  INFO(finished.out);
  REQUIRE(finished.code == 0);
  return finished;
}

void check_fault(const std::vector<std::string>& arguments, int code, std::string_view text) {
  const auto finished = dsdistill(arguments);
  INFO(finished.error);
  CHECK(finished.code == code);
  CHECK(contains(finished.error, text));
}

struct Job {
  Workshop shop;
  std::string teacher = (shop / "teacher").string(), out = (shop / "out").string();

  Job() { good(shop.train("teacher", {"--student", (shop / "model").string(), "--epochs", "3"})); }

  std::vector<std::string> prune(std::vector<std::string> more) const {
    std::vector<std::string> all{"prune",
                                 teacher,
                                 out,
                                 "--task",
                                 "classification",
                                 "--data",
                                 (shop / "").string(),
                                 "--set",
                                 "data.train=train.tsv",
                                 "--set",
                                 "data.dev=dev.tsv",
                                 "--threads",
                                 "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

// A decoder of two layers, four heads on two of keys, and a text.
std::string make_decoder(const Workshop& shop) {
  const std::string folder = shop.make_decoder(4).string();
  std::string text;
  for (int i = 0; i < 400; ++i) text += fmt::format("good{}{}", (i * i + i / 7) % 10, i % 9 == 8 ? "\n" : " ");
  shop.write("text.txt", text);
  return folder;
}

}  // namespace

TEST_CASE("an encoder is cut, scored before and after, and the folder scores as was said") {
  const Job job;
  const auto finished = good(job.prune({"--layers", "1", "--hidden", "16", "--heads", "1", "--intermediate", "24",
                                        "--json", (job.shop / "scores.json").string()}));
  CHECK(contains(finished.error, "measured  on 240 of 240 examples"));
  CHECK(contains(finished.out, "layer  influence  becomes  neurons %  heads\n"));
  CHECK(contains(finished.out, "layers 2 -> 1: "));
  CHECK(contains(finished.out, "hidden 32 -> 16, with "));
  CHECK(contains(finished.out, "heads 2 -> 1, with "));
  CHECK(contains(finished.out, "intermediate 64 -> 24, with "));
  const auto scores = nlohmann::json::parse(bytes_of(job.shop / "scores.json"));
  CHECK(scores["layers"]["scores"].size() == 2);
  CHECK(scores["layers"]["kept"].size() == 1);
  CHECK(scores["layers"]["kept"][0] == scores["layers"]["order"][0]);
  CHECK(scores["channels"]["kept"].size() == 16);
  CHECK(scores["heads"].size() == 2);
  CHECK(scores["neurons"][1][0]["kept"].size() == 24);

  const auto config = nlohmann::json::parse(bytes_of(job.shop / "out/config.json"));
  CHECK(config["num_hidden_layers"] == 1);
  CHECK(config["hidden_size"] == 16);
  CHECK(config["intermediate_size"] == 24);
  good({"eval", job.teacher, job.out, "--task", "classification", "--data", (job.shop / "").string(), "--no-speed",
        "--json", (job.shop / "eval.json").string()});
  const auto table = nlohmann::json::parse(bytes_of(job.shop / "eval.json"));
  const auto score = [&](int model) {
    return table["models"][static_cast<std::size_t>(model)]["tasks"][0]["metrics"]["accuracy"].get<double>();
  };
  CHECK(contains(finished.out, fmt::format("accuracy    {:.4f} -> {:.4f} on 60 examples", score(0), score(1))));

  check_fault(job.prune({"--layers", "1"}), 1, "is there already; --force replaces it");
  good(job.prune({"--layers", "1", "--force"}));
}

TEST_CASE("lines of text are enough to weigh an encoder on; nothing is scored then") {
  const Job job;
  job.shop.write("lines.txt", "good1 bad2\ngood3 good4 good5\nbad1\n");
  const auto finished = good({"prune", job.teacher, job.out, "--intermediate", "32", "--data",
                              (job.shop / "lines.txt").string(), "--threads", "1"});
  CHECK(contains(finished.error, "measured  on 3 of 3 examples, 12 tokens"));
  CHECK_FALSE(contains(finished.out, "accuracy"));
}

TEST_CASE("a decoder is cut on text, and scored on pieces of it that it was not weighed on") {
  const Workshop shop;
  const std::string decoder = make_decoder(shop), out = (shop / "out").string(), text = (shop / "text.txt").string();
  const auto finished =
      good({"prune", decoder, out, "--layers", "1", "--hidden", "24", "--heads", "2", "--intermediate", "20", "--data",
            text, "--examples", "5", "--max-length", "16", "--threads", "1"});
  CHECK(contains(finished.error, "measured  on 5 of "));
  CHECK(contains(finished.out, "perplexity  "));
  CHECK(contains(finished.out, " that importance was not measured on"));
  const auto config = nlohmann::json::parse(bytes_of(shop / "out/config.json"));
  CHECK(config["num_key_value_heads"] == 1);
  CHECK(config["head_dim"] == 16);
  good({"eval", decoder, out, "--task", "perplexity", "--data", text, "--max-length", "16"});

  check_fault({"prune", decoder, (shop / "b").string(), "--heads", "3", "--data", text}, 2,
              "--heads: 3 are not whole groups of 2");
  check_fault({"prune", decoder, (shop / "b").string(), "--layers", "2", "--data", text}, 2, "nothing is to shrink");
  check_fault({"prune", decoder, (shop / "b").string(), "--hidden", "64", "--data", text}, 2,
              "--hidden: 64 cannot be cut out of 32");
  check_fault({"prune", decoder, (shop / "b").string(), "--experts", "1", "--data", text}, 2, "has none");
  check_fault({"prune", decoder, (shop / "b").string(), "--layers", "1", "--data", text, "--max-length", "65"}, 2,
              "--max-length is 65");
  CHECK_FALSE(fs::exists(shop / "b"));
}

TEST_CASE("a recipe's student is cut out of its teacher, trains, and resumes to the bit") {
  const Job job;
  const auto arguments = [&](const std::string& run, std::vector<std::string> more) {
    std::vector<std::string> all{
        "--teacher", job.teacher, "--set", "student.start=pruned", "--set", "student.importance.examples=50"};
    all.insert(all.end(), more.begin(), more.end());
    return job.shop.train(run, all);
  };
  const std::vector<std::string> cut{"--set", "student.layers=1",   "--set", "student.hidden=16",
                                     "--set", "student.heads=1",    "--set", "student.intermediate=24",
                                     "--set", "train.max_steps=44", "--set", "train.save_every=35"};
  const auto first = good(arguments("run", cut));
  CHECK(contains(first.error, "pruned    layers 2 -> 1: "));
  CHECK(contains(first.error, "pruned    by importance on 50 training examples, "));
  CHECK(contains(first.error, "bert, 1 layers x 16, 1 heads, MLP 24"));
  CHECK_FALSE(contains(first.error, "drawn at random"));
  CHECK(contains(first.error, " on the dev set, before step 1"));
  CHECK(contains(first.error, "; right after the cut 0."));
  const std::string expected = bytes_of(job.shop / "run/checkpoints/step-000044/weights.safetensors");
  fs::remove_all(job.shop / "run/checkpoints/step-000044");
  auto resume = cut;
  resume.push_back("--resume");
  good(arguments("run", resume));
  CHECK(bytes_of(job.shop / "run/checkpoints/step-000044/weights.safetensors") == expected);

  check_fault(arguments("b", {"--set", "student.heads=1"}), 2, "student.hidden: a bert model's heads");
  check_fault(arguments("b", {"--set", "student.layers=3"}), 2, "student.layers: 3 cannot be cut out of 2");
  check_fault(arguments("b", {"--set", "student.experts=3"}), 2, "student.experts: a bert model has none");
  check_fault(arguments("b", {}), 2, "but nothing is to shrink");
  CHECK_FALSE(fs::exists(job.shop / "b"));
}

TEST_CASE("pruning what was learnt starts nearer to it than the lowest layers at random widths") {
  const Job job;
  const auto first_loss = [&](const std::string& run, const std::string& start) {
    good(job.shop.train(run, {"--teacher", job.teacher, "--set", "student.start=" + start, "--set",
                              "student.intermediate=48", "--set", "train.max_steps=1"}));
    return losses_of(job.shop / run).at(0);
  };
  CHECK(first_loss("pruned", "pruned") < first_loss("copied", "teacher_layers"));
}
