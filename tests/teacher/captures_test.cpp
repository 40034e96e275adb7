// What losses on features read of a teacher, remembered beside its logits: the bits of the teacher in this process,
// over epochs, beyond the budget, and across a resumed run.
#include <ATen/ATen.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/model/model.h"
#include "core/teacher/remembered.h"
#include "tests/model/batches.h"
#include "tests/teacher/support.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;
using dsd::testing::StoreFile;

namespace {

using Kind = Site::Kind;

const std::vector<Site> kSites{{.kind = Kind::hidden, .layer = 0},
                               {.kind = Kind::hidden, .layer = 2},
                               {.kind = Kind::query, .layer = 1},
                               {.kind = Kind::value, .layer = 2}};
constexpr std::int64_t kBudget = 1 << 20;

// Counts the examples that go through a real encoder.
class Counting : public Teacher {
 public:
  Counting() {
    ModelConfig config = small_config();
    config.head.labels = {"a", "b", "c"};
    model_ = random_model(config, {.outputs = 3, .trainable = false}, {.seed = 5, .purpose = Purpose::weights});
    inner_ = in_process_teacher(model_, {});
  }
  Capabilities can() const override { return inner_->can(); }
  TeacherOutputs outputs(const Batch& batch, const Wanted& wanted) override {
    examples += batch.streams[0].count();
    return inner_->outputs(batch, wanted);
  }
  std::int64_t examples = 0;

 private:
  std::shared_ptr<Model> model_;
  std::unique_ptr<Teacher> inner_;
};

Batch keyed(const std::vector<int>& examples) {
  std::vector<std::vector<std::int32_t>> texts;
  for (const int e : examples) texts.push_back(random_texts({3 + e}, 23, static_cast<unsigned>(e))[0]);
  Batch batch = make_batch(texts);
  for (const int e : examples) batch.keys.push_back(Hasher().number(static_cast<std::uint64_t>(e)).key());
  return batch;
}

RememberedForm form(at::ScalarType dtype = at::kFloat) { return {.dtype = dtype, .sites = kSites}; }

void check_equal(const TeacherOutputs& found, const TeacherOutputs& expected) {
  CHECK(std::get<Scores>(found.heads.at(0)).dense.equal(std::get<Scores>(expected.heads.at(0)).dense));
  for (const Site& site : kSites) {
    INFO(name_of(site));
    CHECK(found.at(site).equal(expected.at(site)));
  }
}

}  // namespace

TEST_CASE("a second epoch reads the bits of the teacher in this process, and the teacher does not run again") {
  for (const std::int64_t budget : {kBudget, std::int64_t{2000}}) {
    Counting teacher, direct;
    RememberedTeacher remembered(teacher, {}, Key128{}, budget, form());
    CHECK(remembered.can().captures);
    const Wanted wanted{.sites = kSites};
    for (int epoch = 0; epoch < 2; ++epoch)
      for (const auto& examples : {std::vector{4, 0, 7}, std::vector{1, 5}})
        check_equal(remembered.outputs(keyed(examples), wanted), direct.outputs(keyed(examples), wanted));
    CHECK(teacher.examples == 5);
    // In other company each example has the rows that it was remembered with.
    const TeacherOutputs mixed = remembered.outputs(keyed({5, 7, 5}), wanted);
    const TeacherOutputs first = direct.outputs(keyed({4, 0, 7}), wanted);
    CHECK(mixed.at(kSites[1]).slice(0, 8, 18).equal(first.at(kSites[1]).slice(0, 10, 20)));
    CHECK(mixed.at(kSites[1]).slice(0, 0, 8).equal(mixed.at(kSites[1]).slice(0, 18, 26)));
    CHECK(teacher.examples == 5);
  }
}

TEST_CASE("a resumed run goes on from the records of its checkpoint") {
  const StoreFile file;
  const Wanted wanted{.sites = kSites};
  Counting teacher, direct;
  const auto open = [&](RememberedForm kept) {
    return std::make_unique<RememberedTeacher>(teacher, file.path, Key128{}, kBudget, std::move(kept));
  };
  auto remembered = open(form());
  remembered->outputs(keyed({1, 2}), wanted);
  const std::int64_t saved = remembered->length();
  remembered->outputs(keyed({3}), wanted);
  remembered.reset();
  remembered = open(form());
  remembered->cut(saved);
  check_equal(remembered->outputs(keyed({1, 2}), wanted), direct.outputs(keyed({1, 2}), wanted));
  CHECK(teacher.examples == 3);
  check_equal(remembered->outputs(keyed({3}), wanted), direct.outputs(keyed({3}), wanted));
  CHECK(teacher.examples == 4);
  remembered.reset();
  RememberedForm other = form();
  other.sites.pop_back();
  CHECK_THROWS_WITH_AS(open(other), doctest::Contains("value.2"), Error);
  CHECK_THROWS_WITH_AS(open({}), doctest::Contains("'logits fp32 3' is asked for"), Error);
}

TEST_CASE("in bf16 captures take half, and are the rounded ones; logits stay as they are") {
  Counting teacher, direct;
  RememberedTeacher remembered(teacher, {}, Key128{}, kBudget, form(at::kBFloat16));
  const Wanted wanted{.sites = kSites};
  const TeacherOutputs found = remembered.outputs(keyed({1, 2}), wanted), exact = direct.outputs(keyed({1, 2}), wanted);
  CHECK(std::get<Scores>(found.heads[0]).dense.equal(std::get<Scores>(exact.heads[0]).dense));
  for (const Site& site : kSites) CHECK(found.at(site).equal(exact.at(site).to(at::kBFloat16)));
}

TEST_CASE("many captures have a form of their own, which the header has room for") {
  const StoreFile file;
  Counting teacher;
  RememberedForm many;
  for (int layer = 0; layer < 3; ++layer)
    for (const Kind kind : {Kind::hidden, Kind::query, Kind::key, Kind::value}) many.sites.push_back({kind, layer});
  RememberedTeacher(teacher, file.path, Key128{}, kBudget, many).outputs(keyed({1}), {.sites = many.sites});
  CHECK_NOTHROW(RememberedTeacher(teacher, file.path, Key128{}, kBudget, many));
  std::swap(many.sites[0], many.sites[1]);
  CHECK_THROWS_WITH_AS(RememberedTeacher(teacher, file.path, Key128{}, kBudget, many), doctest::Contains("12 captures"),
                       Error);
}

TEST_CASE("a site that is not kept is refused, and a transient batch goes past the store") {
  Counting teacher;
  RememberedTeacher remembered(teacher, {}, Key128{}, kBudget, form());
  CHECK_THROWS_WITH_AS(remembered.outputs(keyed({1}), {.sites = {{.kind = Kind::key, .layer = 0}}}),
                       doctest::Contains("key.0 of the teacher, which is not among what is remembered"), Error);
  Batch batch = keyed({1});
  batch.transient = true;
  remembered.outputs(batch, {.sites = kSites});
  remembered.outputs(batch, {.sites = kSites});
  CHECK(teacher.examples == 2);
  CHECK(remembered.length() == 0);
}
