// Stopped at any moment, a run that is resumed ends in the bits of the run that was never stopped.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/check.h"
#include "tests/cli/program.h"

using namespace dsd::test;
namespace fs = std::filesystem;

namespace {

// A distillation into its second epoch, with dropout, a remembered teacher, and many checkpoints.
struct Distillation {
  const Workshop& shop;
  std::string student = (shop / "model").string();

  void make_teacher() const {
    const auto teacher = dsdistill(shop.train("teacher", {"--student", student, "--epochs", "6"}));
    INFO(teacher.error);
    REQUIRE(teacher.code == 0);
  }
  std::vector<std::string> arguments(const std::string& run, bool resume, int steps) const {
    std::vector<std::string> more{"--teacher", (shop / "teacher").string(),
                                  "--epochs",  "1000",
                                  "--set",     "student.layers=1",
                                  "--set",     "train.save_every=5",
                                  "--set",     "eval.every=40",
                                  "--set",     "train.max_steps=" + std::to_string(steps)};
    if (resume) more.push_back("--resume");
    return shop.train(run, more);
  }
};

std::string last_weights(const fs::path& run) {
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) newest = std::max(newest, entry.path());
  return bytes_of(newest / "weights.safetensors") + bytes_of(newest / "optimiser.safetensors");
}

bool has_checkpoint(const fs::path& run) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", none))
    if (entry.path().filename().string().starts_with("step-")) return true;
  return false;
}

void sleep_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

double seconds_of(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("killed at random moments and resumed, a run ends in the same bits") {
  const Workshop shop;
  const Distillation job{shop};
  job.make_teacher();
  constexpr int kSteps = 400;
  const double whole_seconds = seconds_of([&] { REQUIRE(dsdistill(job.arguments("whole", false, kSteps)).code == 0); });
  const std::string expected = last_weights(shop / "whole");

  const char* wanted = std::getenv("DSD_KILLS");  // 20 take two minutes: scripts/test.sh asks for a few
  const int kills = wanted ? std::atoi(wanted) : 4;
  std::mt19937 random(7);
  int amid = 0;
  for (int i = 0; i < kills; ++i) {
    const fs::path run = shop / fmt::format("run{}", i);
    pid_t process = start(job.arguments(run.filename(), false, kSteps), shop / "log");
    // Three of four fall between the first checkpoint and the last step, the others anywhere.
    if (i % 4 != 3)
      while (!has_checkpoint(run) && ::kill(process, 0) == 0) sleep_for(0.001);
    sleep_for(std::uniform_real_distribution(0.0, i % 4 == 3 ? whole_seconds : 0.5 * whole_seconds)(random));
    ::kill(process, SIGKILL);
    if (wait_for(process) == 128 + SIGKILL && has_checkpoint(run)) ++amid;
    const auto resumed = dsdistill(job.arguments(run.filename(), true, kSteps));
    INFO("kill ", i, ": ", resumed.error);
    REQUIRE(resumed.code == 0);
    CHECK(last_weights(run) == expected);
    CHECK(bytes_of(run / "student/model.safetensors") == bytes_of(shop / "whole" / "student/model.safetensors"));
    fs::remove_all(run);
  }
  MESSAGE(amid, " of ", kills, " kills fell between the first checkpoint and the last step");
  CHECK(amid * 4 >= kills * 2);
}

TEST_CASE("a loss that remembers, and one that compares examples, go on from a checkpoint with the same bits") {
  const Workshop shop;
  const Distillation job{shop};
  job.make_teacher();
  for (const std::string kind : {"taid", "dist", "contrastive"}) {
    CAPTURE(kind);
    const fs::path run = shop / kind;
    const auto arguments = [&](bool resume) {
      auto all = job.arguments(kind, resume, 12);
      // Pools of four examples, of which two fit a micro-batch.
      for (const auto& more : {"losses.soft.kind=" + kind, std::string("train.tokens=128")})
        all.insert(all.end(), {"--set", more});
      if (kind != "taid") all.insert(all.end(), {"--set", "losses.pool=4"});
      return all;
    };
    const auto first = dsdistill(arguments(false));
    INFO(first.error);
    REQUIRE(first.code == 0);
    const std::string expected = last_weights(run);
    const auto log = losses_of(run);
    CHECK(fs::exists(run / "checkpoints/step-000012/losses.safetensors") == (kind == "taid"));
    fs::remove_all(run / "checkpoints/step-000012");
    const auto resumed = dsdistill(arguments(true));
    INFO(resumed.error);
    REQUIRE(resumed.code == 0);
    CHECK(last_weights(run) == expected);
    CHECK(losses_of(run) == log);
  }
}

TEST_CASE("what a temperature has seen or learned is resumed to the bit, and is not exported") {
  const Workshop shop;
  const Distillation job{shop};
  job.make_teacher();
  for (const char* kind : {"flsw", "class_difficulty", "learned"}) {
    CAPTURE(kind);
    const std::string temperature = fmt::format("losses.temperature={{kind: {}}}", kind);
    const std::string loss = std::string_view(kind) == "flsw" ? "taid" : "forward_kl";  // both remember, or one
    const auto arguments = [&](bool resume) {
      auto all = job.arguments(kind, resume, 23);
      all.insert(all.end(), {"--set", temperature, "--set", "losses.soft.kind=" + loss});
      return all;
    };
    REQUIRE(dsdistill(arguments(false)).code == 0);
    const fs::path run = shop / kind, last = run / "checkpoints/step-000023/losses.safetensors";
    const std::string expected = last_weights(run), remembered = bytes_of(last);
    CHECK_FALSE(remembered.empty());
    fs::remove_all(last.parent_path());
    REQUIRE(dsdistill(arguments(true)).code == 0);
    CHECK(last_weights(run) == expected);
    CHECK(bytes_of(last) == remembered);
    CHECK(bytes_of(run / "student/model.safetensors").find("temperature") == std::string::npos);
    const std::string log = bytes_of(run / "log.jsonl");
    CHECK(log.find("\"temperature_max\":") != std::string::npos);
  }
}

TEST_CASE("a curriculum by the teacher is resumed to the bit: its order comes from what is remembered") {
  const Workshop shop;
  const Distillation job{shop};
  job.make_teacher();
  const auto arguments = [&](const std::string& run, bool resume) {
    auto all = job.arguments(run, resume, 23);
    all.insert(all.end(), {"--set", "data.curriculum={by: teacher_loss, competence: 0.2 -> 1 root over 80%}"});
    return all;
  };
  const auto whole = dsdistill(arguments("run", false));
  REQUIRE(whole.code == 0);
  CHECK(whole.error.find("easy examples first: teacher_loss is") != std::string::npos);
  const std::string expected = last_weights(shop / "run");
  fs::remove_all(shop / "run/checkpoints/step-000023");
  REQUIRE(dsdistill(arguments("run", true)).code == 0);
  CHECK(last_weights(shop / "run") == expected);
  REQUIRE(dsdistill(job.arguments("plain", false, 23)).code == 0);
  CHECK(last_weights(shop / "plain") != expected);
}

TEST_CASE("SIGTERM ends a run after its step, saved, with code 143, and it goes on from there") {
  const Workshop shop;
  const Distillation job{shop};
  job.make_teacher();
  constexpr int kSteps = 20000;
  const fs::path run = shop / "run";
  const pid_t process = start(job.arguments("run", false, kSteps), shop / "log");
  while (!has_checkpoint(run) && ::kill(process, 0) == 0) sleep_for(0.001);
  ::kill(process, SIGTERM);
  CHECK(wait_for(process) == 143);
  const std::string log = bytes_of(shop / "log");
  CHECK(log.find("--resume") != std::string::npos);
  // The same recipe must be named: another number of steps is another recipe.
  const auto changed = dsdistill(job.arguments("run", true, 10));
  CHECK(changed.code == 2);
  CHECK(changed.error.find("max_steps: 10") != std::string::npos);
}

TEST_CASE("a folder that exists is refused without --resume; --resume without a checkpoint starts anew and says so") {
  const Workshop shop;
  const std::vector<std::string> flags{"--student", (shop / "model").string(), "--set", "train.max_steps=3"};
  REQUIRE(dsdistill(shop.train("run", flags)).code == 0);
  const auto again = dsdistill(shop.train("run", flags));
  CHECK(again.code == 2);
  CHECK(again.error.find("is there already") != std::string::npos);
  fs::remove_all(shop / "run" / "checkpoints");
  auto resuming = flags;
  resuming.push_back("--resume");
  const auto anew = dsdistill(shop.train("run", resuming));
  CHECK(anew.code == 0);
  CHECK(anew.error.find("starting anew") != std::string::npos);
}

TEST_CASE("another number of threads is refused without --allow-drift") {
  const Workshop shop;
  const std::vector<std::string> flags{"--student", (shop / "model").string(), "--set", "train.max_steps=4",
                                       "--set",     "train.save_every=2"};
  REQUIRE(dsdistill(shop.train("run", flags)).code == 0);
  auto resuming = flags;
  resuming.insert(resuming.end(), {"--resume", "--threads", "2"});
  auto arguments = shop.train("run", resuming);
  std::erase(arguments, "1");  // shop's own --threads 1
  arguments.erase(std::ranges::find(arguments, "--threads"));
  const auto refused = dsdistill(arguments);
  CHECK(refused.code == 2);
  CHECK(refused.error.find("--allow-drift") != std::string::npos);
}
