// The kernel of relations against its reference, forward and backward, on every instruction set; and what it costs in
// memory: a sequence's scores never stand in memory together.
#include "losses/relations.h"

#include "tests/check.h"
#include "tests/losses/features.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

struct Sides {
  Tensor student, teacher;  // [T, 3 W] of queries, keys and values, as a model hands them out
  std::int64_t width, teacher_width;

  Sides(std::int64_t tokens, std::int64_t heads)
      : student(draw({tokens, 3 * heads * 6}, 1)),
        teacher(draw({tokens, 3 * heads * 10}, 2)),
        width(heads * 6),
        teacher_width(heads * 10) {}

  RelationOperands own(const Tensor& all, bool with_itself) const { return operands(all, width, with_itself); }
  RelationOperands other(const Tensor& all, bool with_itself) const {
    return operands(all, teacher_width, with_itself);
  }

 private:
  static RelationOperands operands(const Tensor& all, std::int64_t width, bool with_itself) {
    if (with_itself) return {all.narrow(1, 2 * width, width), {}};
    return {all.narrow(1, 0, width), all.narrow(1, width, width)};
  }
};

}  // namespace

TEST_CASE("the kernel of relations gives the reference's value and gradients") {
  const Batch batch = packed({5, 1, 130, 64, 17});
  const Tensor& offsets = batch.streams[0].offsets;
  for (const std::int64_t heads : {1, 3})
    for (const auto distance : {RelationDistance::divergence, RelationDistance::scores})
      for (const bool with_itself : {false, true}) {
        const Sides sides(217, heads);
        const Tensor exact = sides.student.clone().requires_grad_();
        const Tensor fast = sides.student.to(at::kFloat).requires_grad_();
        const Tensor expected = plain::relation_loss(sides.own(exact, with_itself),
                                                     sides.other(sides.teacher, with_itself), offsets, heads, distance);
        const Tensor found =
            relation_loss(sides.own(fast, with_itself), sides.other(sides.teacher.to(at::kFloat), with_itself), offsets,
                          heads, distance);
        CHECK(found.item<double>() == doctest::Approx(expected.item<double>()).epsilon(1e-5));
        (expected * 0.7).backward();
        (found * 0.7).backward();
        CHECK((fast.grad().to(at::kDouble) - exact.grad()).abs().max().item<double>() <
              1e-5 * exact.grad().abs().max().item<double>());
      }
}

TEST_CASE("every instruction set gives the same relations, to rounding") {
  const Batch batch = packed({40, 9});
  const Sides sides(49, 2);
  const Tensor student = sides.student.to(at::kFloat), teacher = sides.teacher.to(at::kFloat);
  const auto run = [&](const cpu::Functions& functions, const Tensor& gradient) {
    return relation(sides.own(student, true), sides.other(teacher, true), batch.streams[0].offsets, 2,
                    RelationDistance::divergence, gradient, {}, functions);
  };
  const Tensor expected = at::zeros({49, 12});
  const double value = run(cpu::kBaseline, expected);
  for (const auto isa : {cpu::Isa::avx2, cpu::Isa::avx512}) {
    if (!cpu::supported(isa)) {
      MESSAGE("skipped: this processor lacks an instruction set");
      continue;
    }
    const Tensor gradient = at::zeros({49, 12});
    CHECK(run(cpu::functions_of(isa), gradient) == doctest::Approx(value).epsilon(1e-6));
    CHECK((gradient - expected).abs().max().item<double>() < 1e-6);
  }
}

TEST_CASE("without a gradient wanted none is made, and a backward runs once") {
  const Batch batch = packed({4});
  const Sides sides(4, 1);
  const Tensor student = sides.student.to(at::kFloat), teacher = sides.teacher.to(at::kFloat);
  CHECK_FALSE(relation_loss(sides.own(student, true), sides.other(teacher, true), batch.streams[0].offsets, 1,
                            RelationDistance::scores)
                  .requires_grad());
}
