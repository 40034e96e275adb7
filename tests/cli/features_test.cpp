// A run whose losses read hidden states, attention and relations: from recipe to shipped student, resumed to the bit,
// with a projector that stays behind.
#include "tests/check.h"
#include "tests/cli/program.h"

using namespace dsd::test;
namespace fs = std::filesystem;

namespace {

const std::string kFeatures =
    "losses.features=[{loss: {kind: hidden, projector_learning_rate: 2}, weight: 0.5}, {loss: {kind: cosine, "
    "projector: "
    "teacher_frozen}}, {loss: {kind: minilm_v2, relation_heads: 4}}, {loss: {kind: fitnet, projector: "
    "teacher_orthogonal}, weight: 0.01}, {loss: {kind: attention}, weight: 0.1}]";

struct Job {
  Workshop shop;
  std::string model = (shop / "model").string(), teacher = (shop / "teacher").string();

  Job() {
    const auto made = dsdistill(shop.train("teacher", {"--student", model, "--epochs", "3"}));
    INFO(made.error);
    REQUIRE(made.code == 0);
  }
  // Into the second epoch of 30 steps, with dropout.
  std::vector<std::string> arguments(const std::string& run, std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"--teacher", teacher,
                                 "--set",     "student.layers=1",
                                 "--set",     "student.hidden=16",
                                 "--set",     "train.max_steps=44",
                                 "--set",     "train.save_every=35",
                                 "--set",     kFeatures};
    all.insert(all.end(), more.begin(), more.end());
    return shop.train(run, all);
  }
  Finished run(const std::string& name, std::vector<std::string> more = {}) const {
    auto finished = dsdistill(arguments(name, std::move(more)));
    INFO(finished.error);
    REQUIRE(finished.code == 0);
    return finished;
  }
};

std::string weights_of(const fs::path& run, const char* step) {
  const fs::path folder = run / "checkpoints" / step;
  return bytes_of(folder / "weights.safetensors") + bytes_of(folder / "optimiser.safetensors");
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("losses on features train, resume to the bit, and leave no projector in the student") {
  const Job job;
  const auto first = job.run("run");
  CHECK(contains(
      first.error,
      "features  hidden: student's hidden.1 [T, 16] with teacher's hidden.2 [T, 32], projector on the student's "
      "side; linear CKA "));
  CHECK(contains(first.error,
                 "features  minilm_v2: student's query.0 [T, 16] with teacher's query.1 [T, 32]; linear CKA "));
  CHECK(contains(bytes_of(job.shop / "run/log.jsonl"), "\"features.2.minilm_v2\""));

  const fs::path run = job.shop / "run";
  const std::string expected = weights_of(run, "step-000044");
  for (const char* name : {"losses.features.0.projector.weight", "losses.features.0.projector.bias",
                           "losses.features.1.projector.weight", "losses.features.3.projector.weight"}) {
    CHECK(contains(bytes_of(run / "checkpoints/step-000044/weights.safetensors"), name));
    CHECK_FALSE(contains(bytes_of(run / "student/model.safetensors"), "projector"));
  }
  // A frozen projector has no state in the optimiser.
  CHECK(contains(bytes_of(run / "checkpoints/step-000044/optimiser.safetensors"),
                 "losses.features.0.projector.weight.mean"));
  CHECK_FALSE(contains(bytes_of(run / "checkpoints/step-000044/optimiser.safetensors"), "losses.features.1."));

  fs::remove_all(run / "checkpoints/step-000044");
  const auto resumed = job.run("run", {"--resume"});
  CHECK(contains(resumed.error, "from the checkpoint of step 35"));
  CHECK(contains(resumed.error, "features  hidden: student's hidden.1"));
  CHECK(weights_of(run, "step-000044") == expected);
}

TEST_CASE(
    "a teacher that is not remembered, and micro-batches, give the same run to rounding; so does a small budget") {
  const Job job;
  job.run("run");
  const auto losses = losses_of(job.shop / "run");
  REQUIRE(losses.size() == 88);
  job.run("direct", {"--set", "teacher.remember=false"});
  job.run("cut", {"--set", "train.tokens=16"});
  job.run("spilt", {"--set", "teacher.budget_mib=1"});
  for (const char* name : {"direct", "cut"}) {
    const auto others = losses_of(job.shop / name);
    REQUIRE(others.size() == losses.size());
    for (std::size_t i = 0; i < losses.size(); ++i) CHECK(others[i] == doctest::Approx(losses[i]).epsilon(1e-3));
  }
  CHECK(losses_of(job.shop / "spilt") == losses);
}

TEST_CASE("features alone are enough to learn from, and what does not fit is told before a folder is made") {
  const Job job;
  const auto alone = job.run("alone", {"--set", "losses.soft_weight=0", "--set", "losses.hard_weight=0", "--baseline"});
  CHECK(contains(alone.error, "baseline"));
  const auto fault = [&](const std::string& features, const std::string& text) {
    const auto finished = dsdistill(job.arguments("none", {"--set", "losses.features=" + features}));
    INFO(finished.error);
    CHECK(finished.code == 2);
    CHECK(contains(finished.error, text));
    CHECK_FALSE(fs::exists(job.shop / "none"));
  };
  fault("[{loss: {kind: pkd, last_layer: true}}]", "which have a projector");
  fault("[{loss: {kind: hidden, pairs: [{student: 1, teacher: 3}]}}]", "names layer 3 of the teacher, which has 2");
  const auto plan = dsdistill(job.arguments("none", {"--dry-run"}));
  INFO(plan.error);
  CHECK(plan.code == 0);
  CHECK(contains(plan.out, "remembered outputs"));
}
