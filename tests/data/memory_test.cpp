// Ten times the rows, or the text, raise the peak of memory by under 20 MiB: measured in processes of their own.
#include <cstdlib>

#include "core/data/plan.h"
#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::Folder;
namespace fs = std::filesystem;

[[maybe_unused]] constexpr std::int64_t kRows = 50'000;

// Reads VmHWM, in KiB.
std::int64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line))
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  return -1;
}

// The peak of a fresh process that loads `file`: memory that earlier tests freed would hide a rise here.
[[maybe_unused]] std::int64_t peak_of_child(const fs::path& file, const char* name = "the child that is measured") {
  const fs::path out = file.string() + ".peak";
  const std::string command =
      fmt::format("DSD_ROWS={} DSD_PEAK={} '{}' --no-skip --test-case='{}' > /dev/null", file.string(), out.string(),
                  fs::read_symlink("/proc/self/exe").string(), name);
  REQUIRE(std::system(command.c_str()) == 0);
  std::ifstream answer(out);
  std::int64_t peak = -1;
  answer >> peak;
  return peak;
}

[[maybe_unused]] void write_rows(const Folder& folder, const std::string& name, std::int64_t rows) {
  std::ofstream file(folder.path() / name, std::ios::binary);
  file << "text\tlabel\n";
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t word = 0; word < 3 + i % 9; ++word)
      file << static_cast<char>('a' + (i + word) % 26) << static_cast<char>('a' + i % 17) << ' ';
    file << '\t' << (i % 3 == 0 ? "yes" : "no") << '\n';
  }
}

// The process that is measured: loads the file that it was started for.
template <class Check>
void load_in_child(const std::string& task_name, Check check) {
  const char* file = std::getenv("DSD_ROWS");
  const char* out = std::getenv("DSD_PEAK");
  CHECK((file == nullptr) == (out == nullptr));
  if (file == nullptr || out == nullptr) return;
  const Folder folder;
  DataConfig config = testing::data_at(fs::path(file).parent_path().string());
  config.train = fs::path(file).filename().string();
  const Task task = find_task(task_name, config);
  const Tokenizer tokenizer = testing::letter_tokenizer(folder);
  Dataset data;
  data.append(task, config, split_files(task, config, Split::train).front(), tokenizer, 0);
  check(data, task);
  std::ofstream(out) << peak_memory();
}

TEST_CASE("the child that is measured" * doctest::skip()) {
  load_in_child("classification", [](const Dataset& data, const Task& task) {
    Plan plan(data, 32, 1);
    const auto step = plan.step(3);
    CHECK(make_batch(data, step, task.kind, 0).streams[0].count() == 32);
  });
}

TEST_CASE("the child that reads a text" * doctest::skip()) {
  load_in_child("language_model", [](const Dataset& data, const Task&) { CHECK(data.targets() > 1'000'000); });
}

TEST_CASE("ten times the text of one document raises the peak by under 20 MiB") {
#if defined(__SANITIZE_ADDRESS__)
  MESSAGE("skipped: the address sanitizer keeps what is freed");
#else
  const Folder folder;
  for (const auto& [name, words] : {std::pair{"small.txt", 500'000}, std::pair{"large.txt", 5'000'000}}) {
    std::ofstream file(folder.path() / name, std::ios::binary);
    for (int i = 0; i < words; ++i)
      file << static_cast<char>('a' + i % 26) << static_cast<char>('a' + i % 17) << static_cast<char>('a' + i % 5)
           << ' ';
  }
  const auto small = peak_of_child(folder.path() / "small.txt", "the child that reads a text");
  const auto large = peak_of_child(folder.path() / "large.txt", "the child that reads a text");
  REQUIRE(small > 0);
  REQUIRE(large > 0);
  MESSAGE("peak: " << small / 1024 << " MiB, then " << large / 1024 << " MiB");
  CHECK(large - small < 20 * 1024);
#endif
}

TEST_CASE("ten times the rows raise the peak by under 20 MiB") {
#if defined(__SANITIZE_ADDRESS__)
  MESSAGE("skipped: the address sanitizer keeps what is freed");
#else
  const Folder folder;
  write_rows(folder, "small.tsv", kRows);
  write_rows(folder, "large.tsv", 10 * kRows);
  const auto small = peak_of_child(folder.path() / "small.tsv");
  const auto large = peak_of_child(folder.path() / "large.tsv");
  REQUIRE(small > 0);
  REQUIRE(large > 0);
  MESSAGE("peak: " << small / 1024 << " MiB, then " << large / 1024 << " MiB");
  CHECK(large - small < 20 * 1024);
#endif
}

}  // namespace
}  // namespace dsd
