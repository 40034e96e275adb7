// A row's own temperature, from sums over the row while it is at hand (kernels/row_temperature.h).
#include "kernels/cpu/vocabulary_top.inl"

namespace dsd::cpu {
namespace {

struct RowMath {
  using Scalar = double;
  static double root(double x) { return __builtin_sqrt(x); }
  static double power(double x, double y) { return __builtin_pow(x, y); }
};

// The largest logits among the classes that neither side masks; whether some are masked.
struct RowTops {
  float student, teacher;
  bool masked;
};

inline RowTops common_tops(const RowWork& work, const Extremes& student, const Extremes& teacher) {
  const float none = -__builtin_inff();
  if (student.least != none && teacher.least != none) return {student.most, teacher.most, false};
  return {common_most(work.student, work.teacher, work.classes), common_most(work.teacher, work.student, work.classes),
          true};
}

inline double unlikeness_of(const RowWork& work, double power_of_it) {
  LongSum dot, student_square, teacher_square;
  visit_vocabulary(
      work.classes,
      [&](std::int64_t column, std::int64_t left) {
        const Floats own = load(work.student + column, left), other = load(work.teacher + column, left);
        const Floats student = VocabularyMath::where_finite(other, VocabularyMath::where_finite(own, own));
        const Floats teacher = VocabularyMath::where_finite(own, VocabularyMath::where_finite(other, other));
        dot.add(student * teacher);
        student_square.add(student * student);
        teacher_square.add(teacher * teacher);
      },
      [&] { dot.fold(), student_square.fold(), teacher_square.fold(); });
  return unlikeness<RowMath>(dot.total(), student_square.total(), teacher_square.total(), power_of_it);
}

// Of softmax(row * inverse) over the classes that `mask` (may be null) does not mask.
inline double entropy_of(const float* row, const float* mask, std::int64_t classes, float top, float inverse) {
  LongSum all, weighted;
  visit_vocabulary(
      classes,
      [&](std::int64_t column, std::int64_t left) {
        const Floats below = (load(row + column, left) - top) * inverse;
        Floats share = past_the_end(exponential(below), left, 0.0f);
        if (mask != nullptr) share = VocabularyMath::where_finite(load(mask + column, left), share);
        all.add(share);
        weighted.add(VocabularyMath::where_positive(share, share * below));
      },
      [&] { all.fold(), weighted.fold(); });
  return __builtin_log(all.total()) - weighted.total() / all.total();
}

inline double common_count(const RowWork& work, bool masked) {
  if (!masked) return static_cast<double>(work.classes);
  const float none = -__builtin_inff();
  std::int64_t count = 0;
  for (std::int64_t c = 0; c < work.classes; ++c) count += work.student[c] > none && work.teacher[c] > none;
  return static_cast<double>(count);
}

// The log of the sum of exponentials at temperature 1, which cross-entropy may have left behind.
inline float plain_log_sum(const VocabularyTerms& terms, const RowWork& work, float top, bool masked) {
  if (terms.cross_entropy != 0 && !masked) return work.row.log_sum;
  return softened_log_sum(work.student, masked ? work.teacher : nullptr, work.classes, top, 1.0f);
}

inline double difficulty_of(const VocabularyRows& all, const RowWork& work, const RowTops& tops, float own_top) {
  const float *student_mask = tops.masked ? work.teacher : nullptr, *mask = tops.masked ? work.student : nullptr;
  const auto inverse = static_cast<float>(1 / all.rule.entropy_temperature);
  switch (all.rule.measure) {
    case RowMeasure::unlikeness:
      return unlikeness_of(work, all.rule.power);
    case RowMeasure::uncertainty: {
      const float log_sum = plain_log_sum(all.terms, work, tops.student, tops.masked);
      return uncertainty<RowMath>(__builtin_exp(static_cast<double>(tops.student - log_sum)));
    }
    case RowMeasure::entropy:
      return entropy_difficulty<RowMath>(entropy_of(work.student, student_mask, work.classes, tops.student, inverse),
                                         entropy_of(work.teacher, mask, work.classes, tops.teacher, inverse),
                                         __builtin_log(common_count(work, tops.masked)));
    case RowMeasure::miss: {
      if (work.label < 0) return __builtin_nan("");
      const float log_sum = plain_log_sum(all.terms, work, own_top, false);
      return 1 - __builtin_exp(static_cast<double>(work.student[work.label] - log_sum));
    }
    case RowMeasure::none:
      break;
  }
  return all.rule.mean;
}

// Sets what softens this row and multiplies its losses against the teacher, and hands both out.
inline void soften_row(const VocabularyRows& all, RowWork& work, const RowTops& tops, float own_top,
                       std::int64_t index) {
  if (all.rule.measure == RowMeasure::none) return;
  const bool empty = tops.student == -__builtin_inff();  // no class is left: the losses are 0 at any temperature
  const double difficulty = empty ? all.rule.mean : difficulty_of(all, work, tops, own_top);
  const double temperature =
      all.rule.given ? static_cast<double>(all.temperatures[index]) : row_temperature<RowMath>(all.rule, difficulty);
  all.temperatures[index] = static_cast<float>(temperature);
  all.difficulties[index] = static_cast<float>(difficulty);
  work.terms.inverse_temperature = static_cast<float>(1 / temperature);
  work.factor = static_cast<float>(row_factor<RowMath>(all.rule, temperature, difficulty));
}

}  // namespace
}  // namespace dsd::cpu
