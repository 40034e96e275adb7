// What a walk over a vocabulary promises beside its values: golden values against a top k, memory, equal bits, and what
// it refuses.
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <thread>

#include "core/base/error.h"
#include "losses/vocabulary_head.h"
#include "tests/check.h"
#include "tests/losses/vocabulary_sample.h"

using namespace dsd;
using namespace dsd::sample;

namespace {

// Bytes that LibTorch's allocator hands out on this thread.
class Meter final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t, c10::Device) override {
    now_ += size;
    most_ = std::max(most_, now_);
    largest_ = std::max(largest_, size);
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t most() const { return most_; }
  std::int64_t largest() const { return largest_; }

 private:
  std::int64_t now_ = 0, most_ = 0, largest_ = 0;
};

struct Use {
  std::int64_t first_peak = 0, second_largest = 0;  // of a first call, and one allocation of a second
};

// On a thread of its own, whose buffers are new.
Use memory_of(const Case& c) {
  Use use;
  std::thread([&] {
    const Side side(c, at::kFloat);
    side.weight.master.mutable_grad() = at::zeros_like(side.weight.master);
    for (const bool second : {false, true}) {
      const auto meter = std::make_shared<Meter>();
      const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, meter);
      vocabulary_loss(side.work(c), nullptr);
      if (second) use.second_largest = meter->largest();
      else use.first_peak = meter->most();
    }
  }).join();
  return use;
}

// z_T = [2, 1, 0, -1, .5] and z_S = [1, 1.5, -.5, 0, .25] against the teacher's first `k` by probability.
double against_top(int k, bool tail) {
  const Tensor teacher = at::log_softmax(at::tensor({2.0, 1.0, 0.0, -1.0, 0.5}, at::kDouble).unsqueeze(0), -1);
  const auto [best, ids] = teacher.topk(k, -1);
  const Tensor rest = teacher.scatter(-1, ids, -INFINITY).logsumexp(-1);
  const Target target =
      TopK{.ids = ids, .log_p = best, .log_tail = tail ? rest : at::full({1}, -INFINITY, at::kDouble)};
  Weight weight{.master = at::eye(5, at::kDouble)};
  const Scores student{
      .hidden = at::tensor({1.0, 1.5, -0.5, 0.0, 0.25}, at::kDouble).unsqueeze(0), .weight = &weight, .classes = 5};
  const VocabularyWork work{.student = &student, .teacher = &target, .terms = {.forward = 1}};
  return plain::vocabulary_loss(work, nullptr).item<double>();
}

}  // namespace

TEST_CASE("forward KL against a teacher's top two has the golden values") {
  CHECK(against_top(2, true) == doctest::Approx(0.206428981362).epsilon(1e-10));
  // Without a tail both sides are normalised over the two.
  CHECK(against_top(2, false) == doctest::Approx(0.257403164607).epsilon(1e-10));
  CHECK(against_top(5, true) == doctest::Approx(0.238092281379).epsilon(1e-10));
  CHECK(against_top(1, true) < against_top(2, true));
}

TEST_CASE("memory is two tiles and the hidden states' gradient, whatever the number of rows") {
  const std::int64_t classes = 20000, hidden = 8, tile_rows = 4, small = 100'000;
  for (const bool bf16 : {false, true}) {
    Case c{.rows = 8,
           .classes = classes,
           .hidden = hidden,
           .tile_rows = tile_rows,
           .terms = {.forward = 1, .cross_entropy = 1},
           .bf16 = bf16};
    const Use few = memory_of(c);
    c.rows = 203;
    const Use many = memory_of(c);
    const std::int64_t tiles = 2 * tile_rows * classes * 4;
    CHECK(few.first_peak >= tiles);
    // Where the processor does not multiply bf16, copies of one product's operands.
    CHECK(few.first_peak < tiles + small + (bf16 ? 4 * 4096 * (20 + 8 + 2 * tile_rows) : 0));
    CHECK(many.first_peak - few.first_peak < 4 * 195 * hidden + small / 10);
    CHECK(many.second_largest < small);
    c.form = Form::top;
    CHECK(memory_of(c).first_peak < tiles / 2 + 3 * small);
  }
}

TEST_CASE("two walks give the same bits") {
  for (const Form form : {Form::lazy, Form::top}) {
    const Case c{.rows = 23, .classes = 501, .tile_rows = 5, .terms = kTerms[2], .form = form};
    const Side first(c, at::kFloat), second(c, at::kFloat);
    for (const Side* side : {&first, &second}) vocabulary_loss(side->work(c), nullptr).backward();
    CHECK(at::equal(first.scores.hidden.grad(), second.scores.hidden.grad()));
    CHECK(at::equal(first.weight.master.grad(), second.weight.master.grad()));
  }
}

TEST_CASE("the weight's gradient is added to what is there, and a frozen weight gets none") {
  const Case c{.terms = {.forward = 1}};
  const Side once(c, at::kFloat), twice(c, at::kFloat);
  vocabulary_loss(once.work(c), nullptr);
  for (int i = 0; i < 2; ++i) vocabulary_loss(twice.work(c), nullptr);
  CHECK(relative(twice.weight.master.grad(), once.weight.master.grad() * 2) < 1e-6);
  Side frozen(c, at::kFloat), body_frozen(c, at::kFloat);
  frozen.weight.master.set_requires_grad(false);
  vocabulary_loss(frozen.work(c), nullptr).backward();
  CHECK(!frozen.weight.master.grad().defined());
  CHECK(frozen.scores.hidden.grad().isfinite().all().item<bool>());
  body_frozen.scores.hidden = body_frozen.scores.hidden.detach();
  vocabulary_loss(body_frozen.work(c), nullptr).backward();
  CHECK(at::equal(body_frozen.weight.master.grad(), once.weight.master.grad()));
}

TEST_CASE("hidden states in bf16 get a gradient in bf16") {
  const Case c{.terms = {.forward = 1}, .bf16 = true};
  Side side(c, at::kFloat);
  const Side wide(c, at::kFloat);
  side.scores.hidden = side.scores.hidden.detach().to(at::kBFloat16).requires_grad_();
  vocabulary_loss(side.work(c), nullptr).backward();
  vocabulary_loss(wide.work(c), nullptr).backward();
  CHECK((side.scores.hidden.grad().scalar_type() == at::kBFloat16));
  CHECK(relative(side.scores.hidden.grad(), wide.scores.hidden.grad()) < 1e-2);
}

TEST_CASE("what a walk refuses") {
  const Case c{.terms = {.forward = 1}};
  Side side(c, at::kFloat);
  auto& teacher = std::get<Scores>(side.teacher);
  teacher.classes = 36;
  CHECK_THROWS_WITH_AS(vocabulary_loss(side.work(c), nullptr), doctest::Contains("has 36 tokens and the student's 37"),
                       Error);
  teacher.classes = 38;
  CHECK_THROWS_WITH_AS(vocabulary_loss(side.work(c), nullptr), doctest::Contains("38 classes and hold 37"), Error);
  teacher.classes = 0;
  Tensor loss = vocabulary_loss(side.work(c), nullptr);
  CHECK_THROWS(at::mul(loss, 2).backward());
  VocabularyWork alone = side.work(c);
  alone.teacher = nullptr;
  CHECK_THROWS_AS(vocabulary_loss(alone, nullptr), Error);
  VocabularyWork labelled = side.work(c);
  labelled.labels = at::full({c.rows}, 37, at::kInt);
  CHECK_THROWS_WITH_AS(vocabulary_loss(labelled, nullptr), doctest::Contains("label 37"), Error);
  labelled.labels = at::zeros({c.rows - 1}, at::kInt);
  CHECK_THROWS_AS(vocabulary_loss(labelled, nullptr), Error);
  const Case top{.terms = {.forward = 1}, .form = Form::top};
  Side kept(top, at::kFloat);
  std::get<TopK>(kept.teacher).temperature = 2;
  CHECK_THROWS_WITH_AS(vocabulary_loss(kept.work(top), nullptr), doctest::Contains("kept at temperature 2"), Error);
}
