#include "losses/rows.h"

#include "core/base/error.h"

namespace dsd {
namespace {

// Reductions in bf16 would lose the third digit of a loss.
Tensor at_least_fp32(const Tensor& logits) {
  return at::isReducedFloatingType(logits.scalar_type()) ? logits.to(at::kFloat) : logits;
}

const Tensor& dense(const Scores& scores) {
  if (!scores.dense.defined()) fail("this loss works on dense scores; a head over a vocabulary hands out lazy ones");
  return scores.dense;
}

}  // namespace

double row_count(const Batch& batch) { return batch.rows.empty() ? 0.0 : static_cast<double>(batch.rows[0].size(0)); }

Tensor divergence(const Tensor& log_a, const Tensor& log_b) {
  // A class that is masked on both sides has log a = log b = -inf: its term is 0, not NaN.
  return (log_a.exp() * (log_a - log_b)).masked_fill(log_a == -INFINITY, 0).sum(-1);
}

Tensor student_logits(const LossInput& input) { return at_least_fp32(dense(input.student[0].heads.at(0))); }

Tensor teacher_logits(const LossInput& input) {
  if (input.teachers.empty()) fail("a loss against a teacher needs a teacher");
  const auto* scores = std::get_if<Scores>(&input.teachers[0].heads.at(0));
  if (!scores) fail("this loss needs the teacher's whole scores, not its top-k");
  const Tensor student = student_logits(input);
  const Tensor teacher = dense(*scores).to(student.device(), student.scalar_type());
  if (teacher.sizes() != student.sizes())
    fail("teacher and student give scores of different shapes: [{}] and [{}]", fmt::join(teacher.sizes(), ", "),
         fmt::join(student.sizes(), ", "));
  return teacher;
}

}  // namespace dsd
