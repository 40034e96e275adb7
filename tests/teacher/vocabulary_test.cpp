// A teacher over a vocabulary, remembered: hidden states of the rows that count, or the likeliest tokens with the rest.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>

#include "core/base/files.h"
#include "core/teacher/pick.h"
#include "core/teacher/remembered.h"
#include "losses/scores.h"
#include "tests/teacher/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using doctest::Approx;
using testing::pieces;
using testing::StoreFile;
using testing::TokenTeacher;
using Kind = RememberedForm::Kind;
namespace fs = std::filesystem;

constexpr Key128 kTeacher{.high = 3, .low = 4};
constexpr std::int64_t kBudget = 1 << 20;
constexpr RememberedForm kHidden{.kind = Kind::hidden};
constexpr RememberedForm kBf16{.kind = Kind::hidden, .dtype = at::kBFloat16};
constexpr RememberedForm kTop{.kind = Kind::top_k, .top_k = 3, .temperature = 2};

Scores scores_of(Teacher& teacher, const Batch& batch) {
  return std::get<Scores>(teacher.outputs(batch, {}).heads.at(0));
}

TopK top_of(Teacher& teacher, const Batch& batch) { return std::get<TopK>(teacher.outputs(batch, {}).heads.at(0)); }

Tensor direct_logits(const std::vector<int>& examples) {
  TokenTeacher teacher;
  const Scores scores = scores_of(teacher, pieces(examples));
  return tile_logits(scores, 0, row_count(scores));
}

TEST_CASE("hidden states of the rows that count come back, whatever batches they stand in") {
  for (const std::int64_t budget : {kBudget, std::int64_t{0}}) {
    TokenTeacher teacher;
    RememberedTeacher remembered(teacher, {}, kTeacher, budget, kHidden);
    CHECK(remembered.can().classes == TokenTeacher::kVocabulary);
    CHECK(remembered.can().top_k == 0);
    CHECK_FALSE(remembered.can().captures);
    const std::vector<int> mixed{5, 3, 3, 2, 7};
    remembered.outputs(pieces({2, 0, 5}), {});
    const Scores scores = scores_of(remembered, pieces(mixed));
    CHECK(scores.weight == &teacher.head);
    CHECK(scores.scale == 0.5F);
    CHECK(scores.soft_cap == 8);
    CHECK(scores.rows.equal(pieces(mixed).rows[0]));
    CHECK(tile_logits(scores, 0, row_count(scores)).equal(direct_logits(mixed)));
    CHECK(teacher.calls == 2);
    CHECK(teacher.rows == pieces({2, 0, 5, 3, 7}).rows[0].numel());
    scores_of(remembered, pieces(mixed));
    CHECK(teacher.calls == 2);
    CHECK_FALSE(remembered.mean_tail().has_value());
  }
}

TEST_CASE("bf16 hidden states are those of fp32, rounded once") {
  TokenTeacher teacher;
  RememberedTeacher remembered(teacher, {}, kTeacher, kBudget, kBf16);
  const Scores scores = scores_of(remembered, pieces({4, 1}));
  const Scores direct = scores_of(teacher, pieces({4, 1}));
  CHECK((scores.hidden.scalar_type() == at::kFloat));
  CHECK(scores.hidden.equal(direct.hidden.to(at::kBFloat16).to(at::kFloat)));
}

TEST_CASE("another run reads what the first one has left, and asks the teacher for its head alone") {
  const StoreFile file;
  TokenTeacher teacher;
  { RememberedTeacher(teacher, file.path, kTeacher, kBudget, kHidden).outputs(pieces({1, 2, 6}), {}); }
  TokenTeacher other;
  RememberedTeacher again(other, file.path, kTeacher, 0, kHidden);
  CHECK(again.length() == 3);
  const Scores scores = scores_of(again, pieces({6, 1}));
  CHECK(tile_logits(scores, 0, row_count(scores)).equal(direct_logits({6, 1})));
  CHECK(scores.weight == &other.head);
  CHECK(other.calls == 1);
  CHECK(other.rows == pieces({6}).rows[0].numel());
  CHECK_THROWS_WITH_AS(RememberedTeacher(other, file.path, kTeacher, kBudget, kHidden),
                       doctest::Contains("another run has it open"), Error);
}

TEST_CASE("another form, a cut, and damage") {
  const StoreFile file;
  TokenTeacher teacher;
  { RememberedTeacher(teacher, file.path, kTeacher, kBudget, kHidden).outputs(pieces({1, 2, 6}), {}); }
  CHECK_THROWS_WITH_AS(RememberedTeacher(teacher, file.path, kTeacher, kBudget, kTop),
                       doctest::Contains("holds 'hidden fp32 4', and 'top_k 3 of 13 at temperature 2' is asked for"),
                       Error);
  const std::string whole = read_text(file.path);
  std::ofstream(file.path, std::ios::binary) << whole.substr(0, whole.size() - 5);
  {
    RememberedTeacher torn(teacher, file.path, kTeacher, kBudget, kHidden);
    CHECK(torn.length() == 2);
    torn.outputs(pieces({6}), {});
    CHECK(torn.length() == 3);
    torn.cut(1);
    CHECK(torn.length() == 1);
    const Scores scores = scores_of(torn, pieces({6, 2, 1}));
    CHECK(tile_logits(scores, 0, row_count(scores)).equal(direct_logits({6, 2, 1})));
  }
  std::string broken = whole;
  broken[broken.size() - 12] ^= 1;
  std::ofstream(file.path, std::ios::binary) << broken;
  CHECK_THROWS_WITH_AS(RememberedTeacher(teacher, file.path, kTeacher, kBudget, kHidden),
                       doctest::Contains("record 2 at byte"), Error);
  // Beyond the budget what a record holds is checked when it is read.
  RememberedTeacher late(teacher, file.path, kTeacher, 0, kHidden);
  CHECK_THROWS_WITH_AS(late.outputs(pieces({6}), {}), doctest::Contains("record 2 at byte"), Error);
}

// Softmax of a row at a temperature, in double.
std::vector<double> shares(const Tensor& logits, double temperature) {
  std::vector<double> all;
  double sum = 0;
  for (std::int64_t c = 0; c < logits.size(0); ++c) all.push_back(std::exp(logits[c].item<double>() / temperature));
  for (const double share : all) sum += share;
  for (double& share : all) share /= sum;
  return all;
}

TEST_CASE("the likeliest tokens, in order, with the share of the rest") {
  TokenTeacher teacher;
  RememberedTeacher remembered(teacher, {}, kTeacher, kBudget, kTop);
  CHECK(remembered.can().top_k == 3);
  const std::vector<int> examples{5, 0, 3};
  remembered.outputs(pieces({3, 1}), {});
  const TopK kept = top_of(remembered, pieces(examples));
  const Tensor logits = direct_logits(examples);
  CHECK(kept.temperature == 2);
  REQUIRE(kept.ids.size(0) == logits.size(0));
  double tails = 0;
  for (std::int64_t row = 0; row < logits.size(0); ++row) {
    const auto share = shares(logits[row], 2);
    std::vector<std::size_t> order(share.size());
    for (std::size_t c = 0; c < order.size(); ++c) order[c] = c;
    std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t c) { return share[c]; });
    double tail = 1;
    for (std::int64_t k = 0; k < 3; ++k) {
      const std::size_t id = order[static_cast<std::size_t>(k)];
      CHECK(kept.ids[row][k].item<std::int32_t>() == static_cast<std::int32_t>(id));
      CHECK(std::exp(kept.log_p[row][k].item<double>()) == Approx(share[id]).epsilon(1e-6));
      tail -= share[id];
    }
    CHECK(std::exp(kept.log_tail[row].item<double>()) == Approx(tail).epsilon(1e-5));
    tails += tail;
  }
  const TopK first = top_of(remembered, pieces({1}));  // of it, the mean over all rows handed out knows too
  REQUIRE(remembered.mean_tail().has_value());
  double others = 0;
  for (const TopK& other : {top_k_of(scores_of(teacher, pieces({3, 1})), 3, 2), first})
    others += other.log_tail.to(at::kDouble).exp().sum().item<double>();
  const auto rows = static_cast<double>(logits.size(0) + pieces({3, 1}).rows[0].numel() + first.ids.size(0));
  CHECK(*remembered.mean_tail() == Approx((tails + others) / rows).epsilon(1e-5));
}

TEST_CASE("a rest that fp32 could not tell from nothing, and none at all") {
  const Tensor logits = at::tensor({0.0F, -40.0F, -41.0F, 3.0F, 2.0F, 1.0F}).view({2, 3});
  const Scores scores{.rows = {}, .hidden = {}, .bias = {}, .classes = 3, .dense = logits};
  const TopK one = top_k_of(scores, 1, 1);
  CHECK(one.log_tail[0].item<double>() == Approx(std::log(std::exp(-40.0) + std::exp(-41.0))).epsilon(1e-6));
  const TopK all = top_k_of(scores, 3, 1);
  CHECK(std::isinf(all.log_tail[0].item<double>()));
  CHECK(all.log_p.exp().sum(1)[1].item<double>() == Approx(1).epsilon(1e-6));
}

TEST_CASE("more rows than a tile") {
  Weight head{.master = at::eye(5), .shadow = {}};
  const Tensor hidden = at::sin(at::arange(600 * 5, at::kDouble)).view({600, 5}).to(at::kFloat);
  const Scores scores{.rows = {}, .hidden = hidden, .weight = &head, .bias = {}, .classes = 5};
  const TopK kept = top_k_of(scores, 2, 1);
  const Tensor log_p = at::log_softmax(hidden.to(at::kDouble), 1);
  const auto [values, ids] = log_p.topk(2, 1, true, true);
  CHECK(kept.ids.to(at::kLong).equal(ids));
  CHECK(at::allclose(kept.log_p.to(at::kDouble), values, 1e-5, 1e-6));
}

TEST_CASE("transient batches go past the store, in the same form") {
  TokenTeacher teacher;
  RememberedTeacher remembered(teacher, {}, kTeacher, kBudget, kTop);
  Batch batch = pieces({2});
  batch.transient = true;
  CHECK(top_of(remembered, batch).ids.size(1) == 3);
  CHECK(remembered.length() == 0);
  constexpr RememberedForm kTooMany{.kind = Kind::top_k, .top_k = 14};
  const auto open = [&] { RememberedTeacher(teacher, {}, kTeacher, kBudget, kTooMany); };
  CHECK_THROWS_WITH_AS(open(), "teacher.top_k is 14, but the teacher scores 13 tokens", Error);
}

TEST_CASE("sequences are picked with their rows") {
  const Batch batch = pieces({2, 4, 1});
  CHECK(row_bounds(batch) == std::vector<std::int64_t>{0, 3, 7, 10});
  const std::vector<std::int32_t> chosen{2, 0};
  const Batch picked = pick_sequences(batch, chosen), expected = pieces({1, 2});
  CHECK(picked.streams[0].ids.equal(expected.streams[0].ids));
  CHECK(picked.streams[0].offsets.equal(expected.streams[0].offsets));
  CHECK(picked.rows[0].equal(expected.rows[0]));
  CHECK((picked.keys == expected.keys));
  CHECK_FALSE(std::holds_alternative<Classes>(picked.labels));
}

TEST_CASE("where a batch leaves its rows to the model, each sequence has one") {
  Batch batch = pieces({2, 4, 1});
  batch.rows.clear();
  CHECK(batch.head_rows() == 3);
  CHECK(row_bounds(batch) == std::vector<std::int64_t>{0, 1, 2, 3});
  const std::vector<std::int32_t> chosen{2, 0};
  const Batch picked = pick_sequences(batch, chosen);
  CHECK(picked.rows.empty());
  CHECK(picked.streams[0].ids.equal(pieces({1, 2}).streams[0].ids));
}

}  // namespace
}  // namespace dsd
