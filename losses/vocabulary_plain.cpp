// The reference of the walk over a vocabulary: dense logits and LibTorch operations.
#include <ATen/ATen.h>

#include <cmath>

#include "losses/temperatures.h"
#include "losses/vocabulary_head.h"

namespace dsd {
namespace {

// Logits at temperature T, or logs of probabilities, of the classes that are compared.
struct Pair {
  Tensor student, teacher;
};

// The teacher's top classes, and all others as one.
Pair against_top(const Tensor& student, const TopK& top) {
  const Tensor ids = top.ids.to(student.device(), at::kLong);
  const Tensor known = (ids >= 0).logical_and(ids < student.size(1)), index = ids.masked_fill(known.logical_not(), 0);
  const Tensor own = student.gather(-1, index).masked_fill(known.logical_not(), -INFINITY);
  const Tensor taken = at::zeros_like(student, at::kInt).scatter_add_(-1, index, known.to(at::kInt)) > 0;
  const Tensor tail = student.masked_fill(taken, -INFINITY).logsumexp(-1, true);
  const Tensor teacher = at::cat({top.log_p, top.log_tail.reshape({-1, 1})}, -1);
  return {at::cat({own, tail}, -1), teacher.to(student.device(), student.scalar_type())};
}

struct Divergences {
  Tensor forward, reverse, jensen_shannon;  // [N]
};

// Where a class is masked on either side its logs are 0 and so are p and q: no infinity enters a
// product, forward or backward.
Divergences divergences(const Pair& pair, double beta) {
  const Tensor out = (pair.student == -INFINITY).logical_or(pair.teacher == -INFINITY);
  const Tensor masked_p = at::log_softmax(pair.teacher.masked_fill(out, -INFINITY), -1);
  const Tensor masked_q = at::log_softmax(pair.student.masked_fill(out, -INFINITY), -1);
  const Tensor p = masked_p.exp(), q = masked_q.exp();
  const Tensor log_p = masked_p.masked_fill(out, 0), log_q = masked_q.masked_fill(out, 0);
  const Tensor log_m = at::logaddexp(log_p + std::log(beta), log_q + std::log1p(-beta));
  return {(p * (log_p - log_q)).sum(-1), (q * (log_q - log_p)).sum(-1),
          (p * (log_p - log_m)).sum(-1) * beta + (q * (log_q - log_m)).sum(-1) * (1 - beta)};
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing) {
  const Tensor log_q = at::log_softmax(logits, -1), masked = logits == -INFINITY;
  const Tensor mean = log_q.masked_fill(masked, 0).sum(-1) / masked.logical_not().sum(-1);
  const Tensor own = log_q.gather(-1, labels.clamp_min(0).to(at::kLong).unsqueeze(-1)).squeeze(-1);
  const Tensor row = smoothing > 0 ? own * -(1 - smoothing) - mean * smoothing : -own;
  return at::where(labels >= 0, row, at::zeros({}, row.options())).sum();
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
  Tensor loss = at::zeros({}, logits.options());
  VocabularyTotals all;
  const auto add = [&](float coefficient, const Tensor& sum, double& total) {
    total = sum.item<double>();
    if (coefficient != 0) loss = loss + sum * static_cast<double>(coefficient);
  };
  if (teacher.scores != nullptr || teacher.top != nullptr) {
    Temperatures softener(1 / static_cast<double>(terms.inverse_temperature));
    Tensor other;
    if (teacher.scores != nullptr) {
      other = dense_rows(*teacher.scores, 0, rows).to(logits.options());
      if (work.rule.measure != RowMeasure::none) softener = own_temperatures(work, logits, other);
    }
    const Pair pair = teacher.top != nullptr ? against_top(logits / softener, *teacher.top)
                                             : Pair{logits / softener, other / softener};
    const Divergences each = divergences(pair, static_cast<double>(terms.teacher_share));
    const auto sum = [&](const Tensor& losses) { return sum_rows(losses, softener, work.rule.squared); };
    add(terms.forward, sum(each.forward), all.forward);
    add(terms.reverse, sum(each.reverse), all.reverse);
    add(terms.jensen_shannon, sum(each.jensen_shannon), all.jensen_shannon);
  }
  if (terms.cross_entropy != 0)
    add(terms.cross_entropy, cross_entropy(logits, work.labels, static_cast<double>(terms.label_smoothing)),
        all.cross_entropy);
  if (totals != nullptr) *totals = all;
  return loss;
}

}  // namespace dsd
