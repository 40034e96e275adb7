#include "losses/rows.h"

#include <cmath>

#include "core/base/error.h"
#include "losses/correction.h"

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

Tensor standardised(const Tensor& logits, const Tensor& out, const Tensor& count) {
  const Tensor mean = logits.masked_fill(out, 0).sum(-1, true) / count.clamp_min(1);
  const Tensor centred = (logits - mean).masked_fill(out, 0);
  const Tensor variance = centred.square().sum(-1, true) / (count - 1).clamp_min(1);
  // The root's slope is infinite at 0, where a row of equal logits stands.
  const Tensor deviation = variance.clamp_min(1e-24).sqrt();
  return (centred / (deviation + 1e-7)).masked_fill(out, -INFINITY);
}

}  // namespace

double row_count(const Batch& batch) { return static_cast<double>(batch.head_rows()); }

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

Tensor class_labels(const LossInput& input) {
  const auto* classes = std::get_if<Classes>(&input.batch.labels);
  if (!classes) fail("this loss needs a task whose labels are classes");
  return classes->of;
}

void standardise(Tensor& student, Tensor& teacher) {
  const Tensor out = (student == -INFINITY).logical_or(teacher == -INFINITY);
  const Tensor count = out.logical_not().sum(-1, true);
  student = standardised(student, out, count);
  teacher = standardised(teacher, out, count);
}

Compared softened(const LossInput& input, const LogitsConfig& config) {
  Tensor student = student_logits(input), teacher = teacher_logits(input);
  if (config.standardise) standardise(student, teacher);
  const Compared pair = compared(student / input.temperature, teacher / input.temperature);
  return config.correct_teacher == TeacherCorrection::none ? pair : corrected(pair, class_labels(input), config);
}

}  // namespace dsd
