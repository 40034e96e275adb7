// What must hold before a walk over a vocabulary begins.
#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"
#include "losses/scores.h"
#include "losses/vocabulary_head.h"

namespace dsd {
namespace {

void check_rows(std::int64_t teacher, std::int64_t student) {
  if (teacher != student) fail("the teacher gives {} rows of scores and the student {}", teacher, student);
}

void check_top(const TopK& top, const VocabularyWork& work) {
  check_rows(top.ids.size(0), row_count(*work.student));
  if (top.ids.sizes() != top.log_p.sizes() || top.log_tail.numel() != top.ids.size(0))
    fail("a teacher's top-k has {} ids, {} log-probabilities and {} tails", top.ids.numel(), top.log_p.numel(),
         top.log_tail.numel());
  // The tail of many tokens cannot be told at another temperature: what is kept serves its own alone.
  if (work.terms.target_share < 1) fail("a moving target needs the teacher's whole scores, not its top-k");
  const double temperature = 1 / static_cast<double>(work.terms.inverse_temperature);
  if (std::abs(top.temperature - temperature) > 1e-5 * temperature)
    fail("the teacher's top-k was kept at temperature {} and cannot serve temperature {}; keep it anew",
         top.temperature, temperature);
}

void check_rule(const VocabularyWork& work) {
  if (work.rule.measure == RowMeasure::none) return;
  if (work.teacher == nullptr || !std::holds_alternative<Scores>(*work.teacher))
    fail("rows have temperatures of their own against a teacher's whole scores, not against its top-k");
  for (const Tensor& each : {work.temperatures, work.difficulties})
    if (!each.defined() || each.numel() != row_count(*work.student))
      fail("a walk needs room for the temperature and the difficulty of each row");
  if (work.rule.measure == RowMeasure::miss && !work.labels.defined())
    fail("a temperature by class needs labels that are classes");
}

void check_labels(const VocabularyWork& work) {
  if (!work.labels.defined() || work.labels.numel() == 0) return;
  if (work.labels.size(0) != row_count(*work.student))
    fail("{} labels for {} rows of scores", work.labels.size(0), row_count(*work.student));
  const auto largest = work.labels.max().item<std::int64_t>(), classes = class_count(*work.student);
  if (largest >= classes) fail("label {} is none of the student's {} classes", largest, classes);
}

// All but cross-entropy do.
bool reads_teacher(const VocabularyTerms& terms) {
  VocabularyTerms soft = terms;
  soft.cross_entropy = 0;
  bool reads = false;
  each_loss(soft, soft, [&](float coefficient, float) { reads = reads || coefficient != 0; });
  return reads;
}

}  // namespace

std::int64_t class_count(const Scores& scores) {
  const Tensor& matrix = scores.hidden.defined() && !scores.weight->master.defined() ? scores.weight->shadow
                         : scores.hidden.defined()                                   ? scores.weight->master
                                                                                     : scores.dense;
  const std::int64_t there = scores.hidden.defined() ? matrix.size(0) : matrix.size(1);
  if (scores.classes > there) fail("scores tell of {} classes and hold {}", scores.classes, there);
  return scores.classes > 0 ? scores.classes : there;
}

CheckedTeacher checked_teacher(const VocabularyWork& work) {
  if (work.tile_rows < 1) fail("a walk over a vocabulary takes tiles of at least one row, not {}", work.tile_rows);
  check_labels(work);
  check_rule(work);
  const VocabularyTerms& terms = work.terms;
  if (terms.cross_entropy != 0 && !work.labels.defined()) fail("cross_entropy needs labels that are classes");
  if (!reads_teacher(terms)) return {};
  if (work.teacher == nullptr) fail("a loss against a teacher needs a teacher");
  if (const auto* top = std::get_if<TopK>(work.teacher)) {
    check_top(*top, work);
    return {.top = top};
  }
  const auto& scores = std::get<Scores>(*work.teacher);
  check_rows(row_count(scores), row_count(*work.student));
  const std::int64_t theirs = class_count(scores), own = class_count(*work.student);
  if (theirs != own)
    fail(
        "the teacher's vocabulary has {} tokens and the student's {}; both must be of one tokenizer, and where padding "
        "alone sets them apart, both must tell how many are real",
        theirs, own);
  return {.scores = &scores};
}

}  // namespace dsd
