#include "core/train/checkpoint.h"

#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/version.h"
#include "tests/train_parts/samples.h"

#include "tests/check.h"

using namespace dsd;
namespace fs = std::filesystem;

namespace {

class Run {
 public:
  Run() : path_(fs::temp_directory_path() / fmt::format("dsd_run_{}", ::getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Run() { fs::remove_all(path_); }

  const fs::path& path() const { return path_; }
  fs::path step(const std::string& name) const { return path_ / "checkpoints" / name; }

  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_ / "checkpoints")) names.insert(entry.path().filename());
    return names;
  }

  std::optional<LoadedCheckpoint> newest() {
    reports.clear();
    return newest_checkpoint(path_, [this](std::string_view line) { reports.emplace_back(line); });
  }

  std::vector<std::string> reports;

 private:
  fs::path path_;
};

struct Training {
  SampleModel model{true};
  AdamW optimiser{model.parameters, {}};
  std::int64_t step = 0;

  void go_on(std::int64_t steps) {
    for (; steps > 0; --steps, ++step) {
      optimiser.prepare(batch_of(rows_of(step)));
      model.add_gradients(step, rows_of(step), 1);
      optimiser.step(1e-3, optimiser.gradient_norm(), 1.0);
    }
  }
  CheckpointMeta meta() const {
    return {.step = step,
            .store_length = 3 * step,
            .best_score = 0.1 + 0.2,
            .best_step = 2,
            .threads = 2,
            .recipe = "r",
            .data = "d"};
  }
  void save(const Run& run) { save_checkpoint(run.path(), meta(), model.parameters, optimiser); }
};

void change_byte(const fs::path& path, std::int64_t place) {
  std::string bytes = read_text(path);
  bytes.at(static_cast<std::size_t>(place < 0 ? std::ssize(bytes) + place : place)) ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
}

// Files beyond so many bytes cannot be written while it lives, as on a full disk.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~SmallFiles() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

}  // namespace

TEST_CASE("a run goes on from its checkpoint with the same bits") {
  Run run;
  Training whole, first, second;
  whole.go_on(30);
  first.go_on(18);
  CHECK_FALSE(run.newest());
  first.save(run);
  const auto loaded = run.newest();
  REQUIRE(loaded);
  CHECK(run.reports.empty());
  CHECK(loaded->meta == first.meta());
  loaded->restore(second.model.parameters, second.optimiser);
  second.step = loaded->meta.step;
  CHECK(same_bits(second.model.table.shadow, first.model.table.shadow));
  second.go_on(12);
  whole.optimiser.flush();
  second.optimiser.flush();
  for (std::size_t i = 0; i < whole.model.parameters.size(); ++i)
    CHECK(same_bits(whole.model.parameters[i].weight->master, second.model.parameters[i].weight->master));
}

TEST_CASE("what losses remember comes back with the same bits, under the same checksum; most remember nothing") {
  Run run;
  Training training;
  training.go_on(1);
  const State losses{{"soft.taid/share", at::scalar_tensor(0.1 + 0.2, at::kDouble)},
                     {"other/table", at::arange(6, at::kFloat).view({2, 3})}};
  save_checkpoint(run.path(), training.meta(), training.model.parameters, training.optimiser, losses);
  const State back = run.newest()->losses_state();
  REQUIRE(back.size() == 2);
  for (const auto& [name, tensor] : losses) CHECK(same_bits(back.at(name), tensor));
  change_byte(run.step("step-000001") / "losses.safetensors", -3);
  CHECK_THROWS_AS(run.newest(), Error);
  training.go_on(1);
  training.save(run);
  CHECK(run.newest()->losses_state().empty());
  CHECK_FALSE(fs::exists(run.step("step-000002") / "losses.safetensors"));
}

TEST_CASE("the last two and the best are kept, what a killed process left is removed") {
  Run run;
  Training training;
  for (int i = 0; i < 5; ++i) {
    training.go_on(1);
    training.save(run);
    fs::create_directories(run.step(fmt::format(".step-00000{}.1.tmp", i + 2)));
  }
  training.save(run);  // the same step again
  CHECK(run.names() == std::set<std::string>{"step-000002", "step-000004", "step-000005"});

  Training anew;  // of the same folder
  anew.go_on(1);
  anew.save(run);
  CHECK(run.names() == std::set<std::string>{"step-000001"});
}

TEST_CASE("a damaged checkpoint is named, and the one before is used") {
  struct Damage {
    const char* what;
    std::function<void(const fs::path&)> make;
    const char* said;
  };
  const std::vector<Damage> damages{
      {"a byte of the weights", [](const fs::path& folder) { change_byte(folder / "weights.safetensors", -5); },
       "weights.safetensors: its checksum differs"},
      {"a byte of a header", [](const fs::path& folder) { change_byte(folder / "optimiser.safetensors", 20); },
       "optimiser.safetensors: its checksum differs"},
      {"a digit of the state",
       [](const fs::path& folder) {
         const auto at = read_text(folder / "state.json").find("\"step\": ");
         change_byte(folder / "state.json", static_cast<std::int64_t>(at) + 8);
       },
       "state.json: its checksum differs"},
      {"a truncated file", [](const fs::path& folder) { fs::resize_file(folder / "weights.safetensors", 100); },
       "weights.safetensors: has 100 bytes, but"},
      {"an empty state", [](const fs::path& folder) { fs::resize_file(folder / "state.json", 0); }, "state.json"},
      {"a missing file", [](const fs::path& folder) { fs::remove(folder / "optimiser.safetensors"); },
       "optimiser.safetensors: cannot open"},
      {"a state without keys", [](const fs::path& folder) { write_atomically(folder / "state.json", "{}"); },
       "state.json"},
      {"a state of other types",
       [](const fs::path& folder) { write_atomically(folder / "state.json", R"({"name": 1})"); }, "state.json"},
      {"not a folder",
       [](const fs::path& folder) {
         fs::remove_all(folder);
         write_atomically(folder, "x");
       },
       "state.json: cannot open"},
  };
  for (const Damage& damage : damages) {
    INFO(damage.what);
    Run run;
    Training training;
    training.go_on(3);
    training.save(run);
    training.go_on(3);
    training.save(run);
    damage.make(run.step("step-000006"));
    const auto loaded = run.newest();
    REQUIRE(loaded);
    CHECK(loaded->meta.step == 3);
    REQUIRE(run.reports.size() == 1);
    CHECK_MESSAGE(run.reports[0].find(damage.said) != std::string::npos, run.reports[0]);
    CHECK(run.reports[0].starts_with("the checkpoint of step 6 is damaged"));

    damage.make(run.step("step-000003"));
    CHECK_THROWS_AS(run.newest(), Error);
  }
}

TEST_CASE("a checkpoint of a newer version is refused by name, and not passed over") {
  Run run;
  Training training;
  training.go_on(1);
  training.save(run);
  training.go_on(1);
  training.save(run);
  const fs::path state = run.step("step-000002") / "state.json";
  std::string text = read_text(state);
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 2");
  write_atomically(state, text);
  CHECK_THROWS_AS(run.newest(), NewerVersion);
  CHECK_THROWS_WITH(run.newest(), doctest::Contains("version 2 of 'dsdistill checkpoint', written by dsdistill "));
}

TEST_CASE("a disk that is full leaves the checkpoints before, and nothing half-written") {
  Run run;
  Training training;
  training.go_on(2);
  training.save(run);
  training.go_on(2);
  {
    const SmallFiles limit(1000);
    CHECK_THROWS_WITH_AS(training.save(run), doctest::Contains("the checkpoint of step 4 could not be written"), Error);
  }
  CHECK(run.names() == std::set<std::string>{"step-000002"});
  CHECK(run.newest()->meta.step == 2);
  training.save(run);  // and training could go on
  CHECK(run.newest()->meta.step == 4);
}

TEST_CASE("a checkpoint of another model is refused by the tensor's name") {
  Run run;
  Training training;
  training.go_on(1);
  training.save(run);
  const auto loaded = run.newest();
  REQUIRE(loaded);
  Training other;
  auto fewer = other.model.parameters;
  fewer.pop_back();
  CHECK_THROWS_WITH(loaded->restore(fewer, other.optimiser),
                    doctest::Contains("holds 3 tensors, but the student has 2"));
  other.model.dense.master = at::zeros({7, 13});
  CHECK_THROWS_WITH(loaded->restore(other.model.parameters, other.optimiser),
                    doctest::Contains("tensor 'dense' is F32 of shape [13, 7], not F32 of shape [7, 13]"));
}
