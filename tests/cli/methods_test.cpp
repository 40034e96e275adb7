// One table of all methods, through the program: thirty steps on a tiny task, in which what the method minimises falls;
// the same bits after a resume; other bits with each of its options set otherwise.
#include <fstream>
#include <numeric>
#include <span>

#include <nlohmann/json.hpp>

#include "tests/check.h"
#include "tests/cli/program.h"

using namespace dsd::test;
namespace fs = std::filesystem;

namespace {

// A process of the sanitizers' build takes seconds to start: each method runs once there, and the plain build compares
// bits.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kComparesBits = false;
#else
constexpr bool kComparesBits = true;
#endif

using Flags = std::vector<std::string>;  // values of --set

struct Method {
  std::string name;
  Flags settings;
  std::string part;            // whose raw value falls
  std::vector<Flags> options;  // each changes the result
};

Method soft(const std::string& kind, std::vector<Flags> options = {}) {
  Method method{kind, {"losses.soft.kind=" + kind}, "soft." + kind, std::move(options)};
  return method;
}

Method feature(const std::string& kind, const std::string& more, std::vector<Flags> options = {}) {
  const auto part = [&](const std::string& settings) {
    return "losses.features=[{loss: {kind: " + kind + settings + "}, weight: 1.0}]";
  };
  for (auto& option : options) option = {part(more + ", " + option[0])};
  return {kind, {part(more)}, "features.0." + kind, std::move(options)};
}

Method adversary(const std::string& kind, const std::string& part, const std::vector<std::string>& options) {
  Method method{kind, {"adversary.kind=" + kind}, part, {}};
  for (const auto& option : options) method.options.push_back({"adversary.kind=" + kind, "adversary." + option});
  return method;
}

std::vector<Method> all_methods() {
  return {
      soft("forward_kl", {{"losses.soft.kind=forward_kl", "losses.soft.t_squared=false"}, {"losses.temperature=4"}}),
      soft("reverse_kl"),
      soft("soft_cross_entropy"),
      soft("generalised_jsd", {{"losses.soft.kind=generalised_jsd", "losses.soft.teacher_share=0.2"}}),
      soft("skew_kl", {{"losses.soft.kind=skew_kl", "losses.soft.teacher_share=0.4"}}),
      soft("skew_reverse_kl"),
      soft("total_variation"),
      // Its target leaves the student as fast as the student follows: what falls is the loss against the labels.
      {"taid", {"losses.soft.kind=taid"}, "hard.cross_entropy", {{"losses.soft.kind=taid", "losses.soft.from=0.1"}}},
      soft("decoupled_kd", {{"losses.soft.kind=decoupled_kd", "losses.soft.target_weight=3"}}),
      soft("dist", {{"losses.soft.kind=dist", "losses.pool=4"}}),
      soft("mean_squared_error"),
      feature("hidden", "", {{"layers: first"}}),
      feature("fitnet", "", {{"projector: student"}}),
      feature("attention", ""),
      feature("minilm", ""),
      feature("minilm_v2", ", relation_heads: 2"),
      feature("pkd", ", last_layer: true"),
      feature("cosine", ""),
      {"flsw temperature",
       {"losses.temperature={kind: flsw, base: 2}"},
       "soft.forward_kl",
       {{"losses.temperature={kind: flsw, base: 2, direction: harder_softer}"}}},
      {"curriculum", {"data.curriculum={by: length}"}, "soft.forward_kl", {{"data.curriculum={by: teacher_loss}"}}},
      {"augment",
       {"data.augment={copies: 1, words: 0.5}"},
       "soft.forward_kl",
       {{"data.augment={copies: 1, words: 0.5, characters: 0.5}"}, {"data.augment={copies: 1, label: same}"}}},
      adversary("fgm", "adversary.fgm", {"radius=0.2", "weight=0.5", "target=perturbed_teacher"}),
      adversary("pgd", "adversary.pgd", {"radius=0.2", "step_size=0.1", "steps=2"}),
      adversary("freelb", "soft.forward_kl", {"start=0.5", "step_size=0.3", "steps=3"}),
      adversary("smart", "soft.forward_kl", {"radius=0.01", "weight=5"}),
      adversary("kd_max", "adversary.kd_max", {"start=0.9", "radius=0.2", "steps=1"}),
      adversary("mix_up", "adversary.mix_up", {"concentration=4"})};
}

std::vector<double> raw_values(const fs::path& run, const std::string& part) {
  std::ifstream file(run / "log.jsonl");
  std::vector<double> values;
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    for (const auto& one : json.value("parts", nlohmann::json::array()))
      if (one.at("name") == part) values.push_back(one.at("raw"));
  }
  return values;
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::string bits_of(const fs::path& run, const std::string& step) {
  const fs::path folder = run / "checkpoints" / ("step-" + step);
  return bytes_of(folder / "weights.safetensors") + bytes_of(folder / "optimiser.safetensors");
}

struct Bench {
  Workshop shop;

  Bench() {
    const auto teacher = dsdistill(shop.train("teacher", {"--student", (shop / "model").string(), "--epochs", "6"}));
    INFO(teacher.error);
    REQUIRE(teacher.code == 0);
  }
  void run(const std::string& name, const Flags& settings, bool resume = false) const {
    std::vector<std::string> more{"--teacher", (shop / "teacher").string(), "--epochs", "1000"};
    for (const char* fixed :
         {"student.layers=1", "train.max_steps=30", "train.save_every=10", "eval.every=1000", "losses.hard_weight=0.1",
          "student.start=random", "train.batch=120", "train.learning_rate=4e-3"})
      more.insert(more.end(), {"--set", fixed});
    for (const auto& setting : settings) more.insert(more.end(), {"--set", setting});
    if (resume) more.push_back("--resume");
    const auto finished = dsdistill(shop.train(name, more));
    INFO(finished.error);
    REQUIRE(finished.code == 0);
  }
};

}  // namespace

TEST_CASE("every method lowers what it minimises, resumes to the bit, and listens to its options") {
  const Bench bench;
  int number = 0;
  for (const Method& method : all_methods()) {
    CAPTURE(method.name);
    const std::string name = "run" + std::to_string(number++);
    bench.run(name, method.settings);
    const fs::path run = bench.shop / name;
    const auto values = raw_values(run, method.part);
    REQUIRE(values.size() == 30);
    CHECK(mean(std::span(values).last(5)) < mean(std::span(values).first(5)));  // over two epochs each
    if (!kComparesBits) continue;
    const std::string expected = bits_of(run, "000030");
    fs::remove_all(run / "checkpoints" / "step-000030");
    bench.run(name, method.settings, true);
    CHECK(bits_of(run, "000030") == expected);
    for (const Flags& option : method.options) {
      CAPTURE(option.back());
      const std::string other = "run" + std::to_string(number++);
      bench.run(other, option);
      CHECK(bits_of(bench.shop / other, "000030") != expected);
      fs::remove_all(bench.shop / other);
    }
    fs::remove_all(run);
  }
}
