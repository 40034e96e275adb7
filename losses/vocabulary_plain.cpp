// The reference of the walk over a vocabulary: dense logits and LibTorch operations.
#include <ATen/ATen.h>

#include <cmath>

#include "losses/compared.h"
#include "losses/temperatures.h"
#include "losses/vocabulary_head.h"

namespace dsd {
namespace {

// The teacher's top classes, and all others as one.
Compared against_top(const Tensor& student, const TopK& top) {
  const Tensor ids = top.ids.to(student.device(), at::kLong);
  const Tensor known = (ids >= 0).logical_and(ids < student.size(1)), index = ids.masked_fill(known.logical_not(), 0);
  const Tensor own = student.gather(-1, index).masked_fill(known.logical_not(), -INFINITY);
  const Tensor taken = at::zeros_like(student, at::kInt).scatter_add_(-1, index, known.to(at::kInt)) > 0;
  const Tensor tail = student.masked_fill(taken, -INFINITY).logsumexp(-1, true);
  const Tensor teacher = at::cat({top.log_p, top.log_tail.reshape({-1, 1})}, -1);
  return compared(at::cat({own, tail}, -1), teacher.to(student.device(), student.scalar_type()));
}

Compared against_scores(const Tensor& student, const Tensor& teacher, const Temperatures& temperatures,
                        const VocabularyTerms& terms) {
  const auto share = static_cast<double>(terms.target_share);
  const Tensor target = share < 1 ? student.detach() * (1 - share) + teacher * share : teacher;
  return compared(student / temperatures, target / temperatures);
}

// Of each row; undefined where the terms do not ask for it.
struct LossRows {
  Tensor forward, soft_cross_entropy, reverse, jensen_shannon, skew, skew_reverse, total_variation, cross_entropy;
};

LossRows rows_of(const Compared& pair, const VocabularyTerms& terms) {
  const auto share = static_cast<double>(terms.teacher_share);
  LossRows rows;
  if (terms.forward != 0) rows.forward = forward_kl(pair);
  if (terms.soft_cross_entropy != 0) rows.soft_cross_entropy = soft_cross_entropy(pair);
  if (terms.reverse != 0) rows.reverse = reverse_kl(pair);
  if (terms.jensen_shannon != 0)
    rows.jensen_shannon = teacher_to_mixed(pair, share) * share + student_to_mixed(pair, share) * (1 - share);
  if (terms.skew != 0) rows.skew = teacher_to_mixed(pair, share);
  if (terms.skew_reverse != 0) rows.skew_reverse = student_to_mixed(pair, share);
  if (terms.total_variation != 0) rows.total_variation = total_variation(pair);
  return rows;
}

Tensor labelled_rows(const Tensor& logits, const Tensor& labels, double smoothing) {
  const Tensor log_q = at::log_softmax(logits, -1), masked = logits == -INFINITY;
  const Tensor mean = log_q.masked_fill(masked, 0).sum(-1) / masked.logical_not().sum(-1);
  const Tensor own = log_q.gather(-1, labels.clamp_min(0).to(at::kLong).unsqueeze(-1)).squeeze(-1);
  const Tensor row = smoothing > 0 ? own * -(1 - smoothing) - mean * smoothing : -own;
  return at::where(labels >= 0, row, at::zeros({}, row.options()));
}

// What the walk does row by row, for all rows at once.
Temperatures own_temperatures(const VocabularyWork& work, const Tensor& student, const Tensor& teacher) {
  const Tensor difficulties = row_difficulties(work.rule, student.detach(), teacher, work.labels);
  Temperatures result;
  result.rows = work.rule.given ? work.temperatures.to(student.options()) : row_temperatures(work.rule, difficulties);
  if (work.rule.weighs) result.weights = difficulties;
  work.temperatures.copy_(result.rows);
  work.difficulties.copy_(difficulties);
  return result;
}

}  // namespace

Tensor dense_rows(const Scores& scores, std::int64_t first, std::int64_t count) {
  const std::int64_t classes = class_count(scores);
  Tensor logits;
  if (scores.dense.defined()) {
    logits = scores.dense.narrow(0, first, count).narrow(1, 0, classes);
  } else {
    const Weight& weight = *scores.weight;
    const Tensor matrix = (weight.master.defined() ? weight.master : weight.shadow).narrow(0, 0, classes);
    logits = at::linear(scores.hidden.narrow(0, first, count), matrix.to(scores.hidden.scalar_type()));
    if (scores.bias.defined()) logits = logits + scores.bias.narrow(0, 0, classes);
  }
  if (scores.scale != 1) logits = logits * scores.scale;
  if (scores.soft_cap > 0) logits = at::tanh(logits / scores.soft_cap) * scores.soft_cap;
  return at::isReducedFloatingType(logits.scalar_type()) ? logits.to(at::kFloat) : logits;
}

Tensor plain::vocabulary_loss(const VocabularyWork& work, VocabularyTotals* totals) {
  const VocabularyTerms& terms = work.terms;
  const CheckedTeacher teacher = checked_teacher(work);
  const std::int64_t rows = work.student->hidden.size(0);
  const Tensor logits = dense_rows(*work.student, 0, rows);
  Temperatures temperatures(1 / static_cast<double>(terms.inverse_temperature));
  LossRows sums;
  if (teacher.top != nullptr) sums = rows_of(against_top(logits / temperatures, *teacher.top), terms);
  if (teacher.scores != nullptr) {
    const Tensor other = dense_rows(*teacher.scores, 0, rows).to(logits.options());
    if (work.rule.measure != RowMeasure::none) temperatures = own_temperatures(work, logits, other);
    sums = rows_of(against_scores(logits, other, temperatures, terms), terms);
  }
  each_loss(sums, sums, [&](Tensor& each, Tensor&) {
    if (each.defined()) each = sum_rows(each, temperatures, work.rule.squared);
  });
  if (terms.cross_entropy != 0)
    sums.cross_entropy = labelled_rows(logits, work.labels, static_cast<double>(terms.label_smoothing)).sum();
  Tensor loss = at::zeros({}, logits.options());
  VocabularyTotals all;
  each_loss(terms, sums, [&](float coefficient, const Tensor& sum) {
    if (sum.defined()) loss = loss + sum * static_cast<double>(coefficient);
  });
  each_loss(sums, all, [](const Tensor& sum, double& total) {
    if (sum.defined()) total = sum.item<double>();
  });
  if (totals != nullptr) *totals = all;
  return loss;
}

}  // namespace dsd
