#include "core/teacher/remembered.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <fstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/version.h"

#include "tests/check.h"

using namespace dsd;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kClasses = 3;
constexpr Key128 kTeacher{.high = 1, .low = 2};
constexpr std::int64_t kBudget = 1 << 20;

// Logits that tell which tokens, segments and row it was given, and in which call: what the store holds can be told
// from what is computed again.
class CountingTeacher : public Teacher {
 public:
  Capabilities can() const override { return {.classes = kClasses, .layers = 2, .hidden = 4, .captures = true}; }

  TeacherOutputs outputs(const Batch& batch, const Wanted&) override {
    ++calls;
    const Sequences& stream = batch.streams[0];
    const Tensor logits = at::zeros({stream.count(), kClasses});
    for (std::int64_t s = 0; s < stream.count(); ++s) {
      const auto begin = stream.offsets[s].item<std::int64_t>(), end = stream.offsets[s + 1].item<std::int64_t>();
      logits[s][0] = stream.ids.slice(0, begin, end).sum() + 1000 * stream.segments.slice(0, begin, end).sum();
      logits[s][1] = stream.positions[batch.rows[0][s].item<std::int64_t>()] * 100 + (end - begin);
      logits[s][2] = calls;
    }
    examples += stream.count();
    TeacherOutputs result;
    result.heads.emplace_back(Scores{.classes = kClasses, .dense = logits});
    return result;
  }

  int calls = 0;
  std::int64_t examples = 0;
};

// Example e: e + 1 tokens of id 10 e + i, the second half of segment 1; the head reads the last.
Batch batch_of(const std::vector<int>& examples) {
  std::vector<std::int32_t> ids, offsets{0}, positions, segments, rows;
  Batch batch;
  for (const int e : examples) {
    for (int i = 0; i <= e; ++i) {
      ids.push_back(10 * e + i);
      positions.push_back(i);
      segments.push_back(2 * i > e);
    }
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
    rows.push_back(offsets.back() - 1);
    batch.keys.push_back(Hasher().number(static_cast<std::uint64_t>(e)).key());
  }
  batch.streams.push_back({.ids = at::tensor(ids, at::kInt),
                           .offsets = at::tensor(offsets, at::kInt),
                           .positions = at::tensor(positions, at::kInt),
                           .segments = at::tensor(segments, at::kInt)});
  batch.rows.push_back(at::tensor(rows, at::kInt));
  return batch;
}

class StoreFile {
 public:
  StoreFile() : path(fs::temp_directory_path() / fmt::format("dsd_store_{}", ::getpid())) { fs::remove(path); }
  ~StoreFile() { fs::remove(path); }
  const fs::path path;
};

Tensor logits(Teacher& teacher, const Batch& batch) {
  return std::get<Scores>(teacher.outputs(batch, {}).heads.at(0)).dense;
}

// What the examples alone determine: columns 0 and 1.
void check_examples(const Tensor& found, const std::vector<int>& examples) {
  CountingTeacher direct;
  CHECK(found.narrow(1, 0, 2).equal(logits(direct, batch_of(examples)).narrow(1, 0, 2)));
}

void change_byte(const fs::path& path, std::size_t place) {
  std::string bytes = read_text(path);
  bytes.at(place) ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("each example goes through the teacher once, whatever batches it stands in") {
  StoreFile file;
  CountingTeacher teacher;
  RememberedTeacher remembered(teacher, file.path, kTeacher, kBudget);
  CHECK(remembered.can().classes == kClasses);
  CHECK_FALSE(remembered.can().captures);
  const Tensor first = logits(remembered, batch_of({2, 0, 5}));
  check_examples(first, {2, 0, 5});
  CHECK(teacher.examples == 3);
  const std::vector<int> mixed{5, 3, 3, 2, 7};  // two new ones, one of them twice
  const Tensor second = logits(remembered, batch_of(mixed));
  check_examples(second, mixed);
  CHECK(teacher.calls == 2);
  CHECK(teacher.examples == 5);
  CHECK(second[0].equal(first[2]));  // the bits of the first time
  CHECK(second[3].equal(first[0]));
  CHECK(remembered.length() == 5);
  check_examples(logits(remembered, batch_of({0, 2, 3, 5, 7})), {0, 2, 3, 5, 7});
  CHECK(teacher.calls == 2);
}

TEST_CASE("a transient batch goes past the store") {
  CountingTeacher teacher;
  RememberedTeacher remembered(teacher, {}, kTeacher, kBudget);
  Batch batch = batch_of({1, 2});
  batch.transient = true;
  logits(remembered, batch);
  logits(remembered, batch);
  CHECK(teacher.calls == 2);
  CHECK(remembered.length() == 0);
}

TEST_CASE("beyond the budget records are read from the file") {
  StoreFile file;
  CountingTeacher teacher;
  constexpr std::int64_t kTwoRecords = 2 * (kClasses * 4 + 40 + 72);  // with their checksums and index
  RememberedTeacher remembered(teacher, file.path, kTeacher, kTwoRecords);
  const std::vector<int> examples{4, 1, 6, 3, 2};
  const Tensor first = logits(remembered, batch_of(examples));
  CHECK(logits(remembered, batch_of(examples)).equal(first));
  CHECK(teacher.examples == 5);
  remembered.cut(1);
  check_examples(logits(remembered, batch_of(examples)), examples);
  CHECK(teacher.examples == 9);
  change_byte(file.path, fs::file_size(file.path) - 10);
  CHECK_THROWS_WITH_AS(logits(remembered, batch_of(examples)), doctest::Contains("record 4 at byte"), Error);
}

TEST_CASE("a resumed run reads the records up to its checkpoint, and computes the later ones again") {
  for (const std::int64_t budget : {kBudget, std::int64_t{0}}) {
    StoreFile file;
    CountingTeacher teacher;
    Tensor before;
    {
      RememberedTeacher remembered(teacher, file.path, kTeacher, budget);
      before = logits(remembered, batch_of({1, 2}));
      CHECK(remembered.length() == 2);
      logits(remembered, batch_of({3, 4}));
    }
    std::ofstream(file.path, std::ios::app) << "half a record";
    RememberedTeacher resumed(teacher, file.path, kTeacher, budget);
    CHECK(resumed.length() == 4);
    resumed.cut(2);
    CHECK(logits(resumed, batch_of({1, 2})).equal(before));
    CHECK(teacher.examples == 4);
    const Tensor again = logits(resumed, batch_of({4, 1}));
    check_examples(again, {4, 1});
    CHECK(again[1].equal(before[0]));
    CHECK(teacher.examples == 5);
    CHECK(resumed.length() == 3);
    CHECK_THROWS_WITH_AS(resumed.cut(9), doctest::Contains("holds 3 records, but the checkpoint was made with 9"),
                         Error);
    resumed.cut(0);
    CHECK(fs::file_size(file.path) == 512);
    check_examples(logits(resumed, batch_of({6})), {6});
  }
}

TEST_CASE("a store that is not this run's, or is damaged, is refused in one line") {
  StoreFile file;
  CountingTeacher teacher;
  {
    RememberedTeacher remembered(teacher, file.path, kTeacher, kBudget);
    logits(remembered, batch_of({1, 2}));
  }
  const std::string whole = read_text(file.path);
  const auto open = [&] { RememberedTeacher(teacher, file.path, kTeacher, kBudget); };
  const auto with = [&](const std::string& bytes) { std::ofstream(file.path, std::ios::binary) << bytes; };
  CHECK_NOTHROW(open());
  CHECK_THROWS_WITH_AS(RememberedTeacher(teacher, file.path, Key128{}, kBudget),
                       doctest::Contains("holds the outputs of another teacher"), Error);
  change_byte(file.path, 512 + 20);
  CHECK_THROWS_WITH_AS(open(), doctest::Contains("record 0 at byte 512 is damaged"), Error);
  with("precious");
  CHECK_THROWS_WITH_AS(open(), doctest::Contains("is not a teacher store"), Error);
  CHECK(read_text(file.path) == "precious");
  std::string newer = whole;
  newer.replace(newer.find("\"version\":2"), 11, "\"version\":3");
  with(newer);
  CHECK_THROWS_AS(open(), NewerVersion);
  std::string older = whole;
  older.replace(older.find("\"version\":2"), 11, "\"version\":1");
  with(older);
  CHECK_THROWS_WITH_AS(open(), doctest::Contains("in a form of before; start the run anew"), Error);
  with(std::string(512, ' '));
  CHECK_THROWS_AS(open(), Error);
  with("[1]" + std::string(509, ' '));
  CHECK_THROWS_AS(open(), Error);
}

TEST_CASE("what the store cannot hold is refused, and says what to do") {
  CountingTeacher teacher;
  RememberedTeacher remembered(teacher, {}, kTeacher, kBudget);
  Wanted hidden;
  hidden.sites.push_back({.kind = Site::Kind::hidden, .layer = 1});
  CHECK_THROWS_WITH_AS(remembered.outputs(batch_of({1}), hidden), doctest::Contains("set teacher.remember: false"),
                       Error);
  Batch two_rows = batch_of({1});
  two_rows.rows[0] = at::tensor({0, 1}, at::kInt);
  CHECK_THROWS_WITH_AS(remembered.outputs(two_rows, {}), doctest::Contains("set teacher.remember: false"), Error);
}
