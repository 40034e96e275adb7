#include <unistd.h>

#include <cmath>
#include <fstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/version.h"
#include "core/formats/json.h"
#include "core/train/console_report.h"
#include "core/train/run_log.h"

#include "tests/check.h"

using namespace dsd;
namespace fs = std::filesystem;

namespace {

class LogFile {
 public:
  LogFile() : path(fs::temp_directory_path() / fmt::format("dsd_log_{}.jsonl", ::getpid())) { fs::remove(path); }
  ~LogFile() { fs::remove(path); }

  std::vector<Json> lines() const {
    std::vector<Json> result;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) result.push_back(Json::parse(line));
    return result;
  }

  const fs::path path;
};

StepLine line_of(std::int64_t step) {
  return {.step = step,
          .steps = 10,
          .epoch = 0.5,
          .loss = 0.1 + 0.2,
          .parts = {{.name = "soft.forward_kl", .raw = 1.0 / 3, .factor = 4, .weight = 0.7, .share = 0.6}},
          .learning_rate = 5e-5,
          .gradient_norm = 1.25,
          .temperature = {.least = 2, .mean = 2, .largest = 2},
          .examples = 32,
          .tokens = 400,
          .seconds = 0.5};
}

}  // namespace

TEST_CASE("each line of the log is whole and exact") {
  LogFile file;
  RunLog log(file.path);
  log.scored_teacher({{"accuracy", 0.9}});
  log.step(line_of(1));
  StepLine bad = line_of(2);
  bad.loss = std::nan("");
  bad.applied = false;
  log.step(bad);
  log.scored(2, {{"accuracy", 2.0 / 3}, {"f1", 0.5}}, true);
  const auto lines = file.lines();  // while the log is open
  REQUIRE(lines.size() == 5);
  CHECK(lines[0].dump() == fmt::format(R"({{"name":"dsdistill log","version":1,"writer":"{}"}})", writer_name()));
  CHECK(lines[1].dump() == R"({"teacher":{"accuracy":0.9}})");
  CHECK(lines[2]["loss"].get<double>() == 0.1 + 0.2);
  CHECK(lines[2]["parts"][0]["raw"].get<double>() == 1.0 / 3);
  CHECK(lines[2]["examples_per_second"].get<double>() == 64);
  CHECK(lines[2]["tokens_per_second"].get<double>() == 800);
  CHECK_FALSE(lines[2].contains("applied"));
  CHECK(lines[3]["loss"].is_null());
  CHECK(lines[3]["applied"] == false);
  CHECK(lines[4]["eval"]["accuracy"].get<double>() == 2.0 / 3);
  CHECK(lines[4]["best"] == true);
}

TEST_CASE("a resumed log goes on where its checkpoint stands") {
  LogFile file;
  {
    RunLog log(file.path);
    for (std::int64_t step = 1; step <= 6; ++step) {
      log.step(line_of(step));
      if (step % 2 == 0) log.scored(step, {{"accuracy", 0.5}}, false);
    }
  }
  std::ofstream(file.path, std::ios::app) << R"({"step": 7, "lo)";  // killed while it wrote
  {
    RunLog log(file.path, 4);
    log.step(line_of(5));
  }
  const auto lines = file.lines();
  REQUIRE(lines.size() == 1 + 4 + 2 + 1);
  CHECK(lines[6]["eval"]["accuracy"] == 0.5);  // of step 4
  CHECK(lines[7]["step"] == 5);

  RunLog(file.path, 100);
  CHECK(file.lines().size() == 8);
  RunLog anew(file.path);
  CHECK(file.lines().size() == 1);
}

TEST_CASE("another file is not taken for a log") {
  LogFile file;
  std::ofstream(file.path) << "precious\n";
  CHECK_THROWS_AS(RunLog(file.path, 3), Error);
  CHECK(read_text(file.path) == "precious\n");
  std::ofstream(file.path) << R"({"name":"dsdistill log","version":2,"writer":"dsdistill 9.9"})"
                           << "\n";
  CHECK_THROWS_AS(RunLog(file.path, 3), NewerVersion);
}

TEST_CASE("what is shown of training") {
  CHECK(time_text(42.4) == "42s");
  CHECK(time_text(185) == "3m05s");
  CHECK(time_text(7800) == "2h10m");
  const TrainingPace pace{.loss = 0.43214, .tokens_per_second = 31'234.4, .seconds_left = 80};
  CHECK(bar_text(line_of(5), pace) == "[##########..........] 5/10  loss 0.4321  31,234 tokens/s  1m20s left");
  CHECK(plain_text(line_of(5), pace) == "step 5/10  epoch 0.50  loss 0.4321  31,234 tokens/s  1m20s left");
  CHECK(scored_text(5, {{"accuracy", 0.91234}, {"f1", 0.5}}, true) ==
        "step 5: the student scores  accuracy 0.9123  f1 0.5000  (best so far)");
}
