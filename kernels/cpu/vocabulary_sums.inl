// What row losses over a vocabulary add up before their gradient: long sums, products to logits, logs of sums of
// exponentials.
#include "kernels/cpu/functions.h"
#include "kernels/cpu/vector.h"
#include "kernels/vocabulary_row_formula.h"

namespace dsd::cpu {
namespace {

struct VocabularyMath {
  using Number = Floats;
  using Scalar = float;
  static Floats exp(Floats x) { return exponential(x); }
  static Floats log(Floats x) { return logarithm(x); }
  static Floats where_positive(Floats x, Floats value) { return x > Floats{} ? value : Floats{}; }
  static Floats where_finite(Floats x, Floats value) { return x > splat(-__builtin_inff()) ? value : Floats{}; }
};

// For few classes.
struct TopMath {
  using Number = double;
  using Scalar = double;
  static double exp(double x) { return __builtin_exp(x); }
  static double log(double x) { return __builtin_log(x); }
  static double where_positive(double x, double value) { return x > 0 ? value : 0; }
  static double where_finite(double x, double value) { return x > -__builtin_inf() ? value : 0; }
};

// A long sum: vectors of floats for a while, then a double.
class LongSum {
 public:
  void add(Floats value) { part_ += value; }
  void fold() {
    total_ += static_cast<double>(sum(part_));
    part_ = Floats{};
  }
  double total() const { return total_; }

 private:
  Floats part_{};
  double total_ = 0;
};

struct LongMath {
  using Number = LongSum;
};

struct RowWork {
  float *student, *teacher;
  std::int64_t classes;
  std::int32_t label;
  VocabularyTerms terms;  // with the row's own temperature
  float factor = 1;       // of its losses against the teacher
  VocabularyRow<float> row{};
  float smoothing_each = 0;                   // label smoothing's share of a class
  float tail_log_sum = 0, tail_gradient = 0;  // of the classes beside the teacher's top, taken as one
};

constexpr std::int64_t kFold = 64 * kLanes;  // elements between two folds

// Calls body(column, left) for each vector, and fold() now and then.
template <class Body, class Fold>
inline void visit_vocabulary(std::int64_t classes, Body body, Fold fold) {
  for (std::int64_t block = 0; block < classes; block += kFold) {
    const std::int64_t end = block + kFold < classes ? block + kFold : classes;
    for (std::int64_t column = block; column < end; column += kLanes) body(column, classes - column);
    fold();
  }
}

inline Floats hyperbolic_tangent(Floats x) {
  const Floats twice = exponential_within(minimum(maximum(x * -2.0f, splat(-87.0f)), splat(87.0f)));
  return (1.0f - twice) * reciprocal(1.0f + twice);
}

struct Extremes {
  float most, least;
};

// Products to logits in place.
inline Extremes to_logits(float* row, std::int64_t classes, float scale, float soft_cap) {
  Floats most = splat(-__builtin_inff()), least = splat(__builtin_inff());
  for (std::int64_t column = 0; column < classes; column += kLanes) {
    const std::int64_t left = classes - column;
    Floats value = load(row + column, left);
    if (scale != 1.0f || soft_cap > 0) {
      value *= scale;
      if (soft_cap > 0) value = hyperbolic_tangent(value * (1.0f / soft_cap)) * soft_cap;
      store(row + column, value, left);
    }
    most = maximum(most, past_the_end(value, left, -__builtin_inff()));
    least = minimum(least, past_the_end(value, left, __builtin_inff()));
  }
  return {largest(most), -largest(-least)};
}

// The largest of a row among the classes that `other` does not mask.
inline float common_most(const float* row, const float* other, std::int64_t classes) {
  const Floats none = splat(-__builtin_inff());
  Floats most = none;
  for (std::int64_t column = 0; column < classes; column += kLanes) {
    const std::int64_t left = classes - column;
    const Floats value = load(other + column, left) > none ? load(row + column, left) : none;
    most = maximum(most, past_the_end(value, left, -__builtin_inff()));
  }
  return largest(most);
}

// Log of the sum of exp(z / T) over the classes that `mask` (may be null) does not mask; -infinity of none.
inline float softened_log_sum(const float* row, const float* mask, std::int64_t classes, float most, float inverse) {
  if (most == -__builtin_inff()) return most;
  LongSum all;
  visit_vocabulary(
      classes,
      [&](std::int64_t column, std::int64_t left) {
        Floats value = exponential((load(row + column, left) - most) * inverse);
        if (mask != nullptr) value = VocabularyMath::where_finite(load(mask + column, left), value);
        all.add(past_the_end(value, left, 0.0f));
      },
      [&] { all.fold(); });
  return most * inverse + static_cast<float>(__builtin_log(all.total()));
}

struct PlainSums {
  float log_sum = 0;
  double values = 0, counted = 0;  // the logits that are not masked, and how many they are
};

inline PlainSums plain_sums(const float* row, std::int64_t classes, float most) {
  LongSum exponentials, values, counted;
  visit_vocabulary(
      classes,
      [&](std::int64_t column, std::int64_t left) {
        const Floats value = load(row + column, left);
        exponentials.add(past_the_end(exponential(value - most), left, 0.0f));
        values.add(VocabularyMath::where_finite(value, value));
        counted.add(past_the_end(VocabularyMath::where_finite(value, splat(1.0f)), left, 0.0f));
      },
      [&] { exponentials.fold(), values.fold(), counted.fold(); });
  return {most + static_cast<float>(__builtin_log(exponentials.total())), values.total(), counted.total()};
}

// The teacher's row becomes TAID's target.
inline Extremes move_target(float* teacher, const float* student, std::int64_t classes, const VocabularyTerms& terms) {
  Floats most = splat(-__builtin_inff()), least = splat(__builtin_inff());
  for (std::int64_t column = 0; column < classes; column += kLanes) {
    const std::int64_t left = classes - column;
    const Floats value =
        moved_target<VocabularyMath>(load(student + column, left), load(teacher + column, left), terms);
    store(teacher + column, value, left);
    most = maximum(most, past_the_end(value, left, -__builtin_inff()));
    least = minimum(least, past_the_end(value, left, __builtin_inff()));
  }
  return {largest(most), -largest(-least)};
}

inline void add_totals(const VocabularyTerms& terms, const VocabularySums<TopMath>& sums, VocabularyTotals* totals) {
  totals->forward += sums.forward;
  totals->soft_cross_entropy += sums.soft_cross_entropy;
  totals->reverse += sums.reverse;
  totals->jensen_shannon += static_cast<double>(terms.teacher_share) * sums.teacher_to_mixed +
                            static_cast<double>(1.0f - terms.teacher_share) * sums.student_to_mixed;
  totals->skew += sums.teacher_to_mixed;
  totals->skew_reverse += sums.student_to_mixed;
  totals->total_variation += sums.total_variation;
}

}  // namespace
}  // namespace dsd::cpu
