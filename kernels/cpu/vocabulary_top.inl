// Row losses against the top classes of a teacher and one class for all the others, in doubles: they are few.
#include "kernels/cpu/vocabulary_sums.inl"

namespace dsd::cpu {
namespace {

struct TopRow {
  const std::int32_t* ids;
  const float* log_p;
  float log_tail;
  float* logits;  // the student's at ids; -infinity where an id is none of its classes
  std::int64_t count;
};

// The student's logits of the top classes leave the row, so that a sum over it is the tail's, with nothing subtracted.
inline void take_out(const TopRow& top, const RowWork& work) {
  for (std::int64_t k = 0; k < top.count; ++k) {
    const std::int64_t id = top.ids[k];
    const bool known = id >= 0 && id < work.classes;
    top.logits[k] = known ? work.student[id] : -__builtin_inff();
    if (known) work.student[id] = -__builtin_inff();
  }
}

struct TopPair {
  double student, teacher;  // at temperature T; -infinity on both sides where either masks the class
};

// Class k of the top, or the tail (k == count).
inline TopPair top_pair(const TopRow& top, std::int64_t k, double tail_log_sum, const VocabularyTerms& terms) {
  const double none = -__builtin_inf();
  const double student = k < top.count
                             ? static_cast<double>(top.logits[k]) * static_cast<double>(terms.inverse_temperature)
                             : tail_log_sum;
  const double teacher = static_cast<double>(k < top.count ? top.log_p[k] : top.log_tail);
  return student > none && teacher > none ? TopPair{student, teacher} : TopPair{none, none};
}

// Sets the row's part of the tail, adds the losses to totals, and gives what the gradients need.
inline VocabularyRow<double> top_sums(const TopRow& top, RowWork& work, const VocabularyTerms& terms,
                                      VocabularyTotals* totals) {
  const double none = -__builtin_inf();
  const float most = common_most(work.student, work.student, work.classes);
  const float tail = softened_log_sum(work.student, nullptr, work.classes, most, terms.inverse_temperature);
  const double tail_log_sum = static_cast<double>(tail);
  TopPair largest_pair{none, none}, total{0, 0};
  for (std::int64_t k = 0; k <= top.count; ++k) {
    const TopPair pair = top_pair(top, k, tail_log_sum, terms);
    if (pair.student > largest_pair.student) largest_pair.student = pair.student;
    if (pair.teacher > largest_pair.teacher) largest_pair.teacher = pair.teacher;
  }
  VocabularyRow<double> row;
  if (largest_pair.student == none) return row;
  for (std::int64_t k = 0; k <= top.count; ++k) {
    const TopPair pair = top_pair(top, k, tail_log_sum, terms);
    total.student += TopMath::exp(pair.student - largest_pair.student);
    total.teacher += TopMath::exp(pair.teacher - largest_pair.teacher);
  }
  row.student_log_sum = largest_pair.student + TopMath::log(total.student);
  row.teacher_log_sum = largest_pair.teacher + TopMath::log(total.teacher);
  VocabularySums<TopMath> all{};
  const auto element = [&](std::int64_t k) {
    const TopPair pair = top_pair(top, k, tail_log_sum, terms);
    return softened_element<TopMath>(pair.student, pair.teacher, row);
  };
  for (std::int64_t k = 0; k <= top.count; ++k) add_vocabulary_sums<TopMath>(element(k), terms, all);
  set_means<TopMath>(row, all);
  add_totals(terms, all, totals);
  if (tail_log_sum > none) {
    work.tail_log_sum = tail;
    work.tail_gradient = static_cast<float>(soft_gradient<TopMath>(element(top.count), terms, row));
  }
  return row;
}

// After the pass over the row: the gradients of the top classes take their places.
inline void top_gradients(const VocabularyRows& all, const TopRow& top, const RowWork& work,
                          const VocabularyRow<double>& row) {
  const VocabularyTerms& terms = all.terms;
  const double cross = work.label >= 0 ? static_cast<double>(terms.cross_entropy) : 0;
  VocabularyRow<double> own;
  own.log_sum = static_cast<double>(work.row.log_sum);
  for (std::int64_t k = 0; k < top.count; ++k) {
    if (top.logits[k] == -__builtin_inff()) continue;
    const double student = static_cast<double>(top.logits[k]);
    const TopPair pair = top_pair(top, k, 0, terms);
    double gradient = soft_gradient<TopMath>(softened_element<TopMath>(pair.student, pair.teacher, row), terms, row);
    if (cross != 0)
      gradient += cross_entropy_gradient<TopMath>(student, cross, static_cast<double>(work.smoothing_each), own);
    if (top.ids[k] == work.label) gradient -= cross * static_cast<double>(1.0f - terms.label_smoothing);
    if (all.soft_cap > 0) gradient *= 1 - student * student / static_cast<double>(all.soft_cap * all.soft_cap);
    const Floats value = splat(static_cast<float>(gradient * static_cast<double>(all.scale)));
    if (all.bf16) store(reinterpret_cast<std::uint16_t*>(work.student) + top.ids[k], value, 1);
    else store(work.student + top.ids[k], value, 1);
  }
}

}  // namespace
}  // namespace dsd::cpu
