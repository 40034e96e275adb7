#include "losses/temperatures.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "core/base/error.h"

namespace dsd {
namespace {

Tensor entropy(const Tensor& logits) {
  const Tensor log_p = at::log_softmax(logits, -1);
  return -(log_p.exp() * log_p).masked_fill(log_p == -INFINITY, 0).sum(-1);
}

}  // namespace

Tensor Temperatures::divide(const Tensor& logits) const {
  return differ() ? logits / rows.unsqueeze(-1) : logits / all;
}

Tensor sum_rows(const Tensor& losses, const Temperatures& temperatures, bool t_squared) {
  if (!temperatures.differ()) return losses.sum();
  Tensor each = t_squared ? losses * temperatures.rows.square() : losses;
  if (temperatures.weights.defined()) each = each * temperatures.weights;
  return each.sum();
}

Tensor row_difficulties(const RowTemperature& rule, const Tensor& student, const Tensor& teacher,
                        const Tensor& labels) {
  const at::NoGradGuard no_gradients;
  if (rule.measure == RowMeasure::miss) {
    if (!labels.defined()) fail("a temperature by class needs labels that are classes");
    const Tensor own = at::softmax(student, -1).gather(-1, labels.clamp_min(0).to(at::kLong).unsqueeze(-1)).squeeze(-1);
    return (1 - own).masked_fill(labels < 0, NAN);
  }
  const Tensor out = (student == -INFINITY).logical_or(teacher == -INFINITY);
  const Tensor empty = out.all(-1);  // no class is left: the losses are 0 at any temperature
  const auto left = [&](const Tensor& side, double filler) { return side.masked_fill(out, filler); };
  Tensor difficulties;
  if (rule.measure == RowMeasure::unlikeness) {
    const Tensor z = left(student, 0), y = left(teacher, 0);
    const Tensor sizes = (z.norm(2, {-1}) + 1e-4) * (y.norm(2, {-1}) + 1e-4);
    difficulties = (1 - (z * y).sum(-1) / sizes).clamp_min(0).pow(rule.power);
  } else if (rule.measure == RowMeasure::uncertainty) {
    difficulties = 1 / (at::softmax(left(student, -INFINITY), -1).amax(-1) + 1e-3);
  } else if (rule.measure == RowMeasure::entropy) {
    const Tensor most = out.logical_not().sum(-1).to(student.scalar_type()).log();
    const Tensor own = entropy(left(student, -INFINITY) / rule.entropy_temperature);
    const Tensor other = entropy(left(teacher, -INFINITY) / rule.entropy_temperature);
    difficulties = ((other + other * own / most) / 2).masked_fill(most <= 0, 0);
  } else {
    fail("this temperature measures nothing of a row");
  }
  return difficulties.masked_fill(empty, rule.mean);
}

Tensor row_temperatures(const RowTemperature& rule, const Tensor& difficulties) {
  return (rule.base + rule.slope * (difficulties - rule.mean)).clamp(rule.least, rule.most);
}

}  // namespace dsd
