// Row losses over a vocabulary.
#include "kernels/cpu/functions.h"
#include "kernels/cpu/vector.h"
#include "kernels/vocabulary_row_formula.h"

namespace dsd::cpu {
namespace {

struct VocabularyMath {
  using Number = Floats;
  static Floats exp(Floats x) { return exponential(x); }
  static Floats log(Floats x) { return logarithm(x); }
  static Floats where_positive(Floats x, Floats value) { return x > Floats{} ? value : Floats{}; }
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

// Products to logits in place, and the largest.
inline float to_logits(float* row, std::int64_t classes, float scale, float soft_cap) {
  Floats most = splat(-__builtin_inff());
  for (std::int64_t column = 0; column < classes; column += kLanes) {
    const std::int64_t left = classes - column;
    Floats value = load(row + column, left);
    if (scale != 1.0f || soft_cap > 0) {
      value *= scale;
      if (soft_cap > 0) value = hyperbolic_tangent(value * (1.0f / soft_cap)) * soft_cap;
      store(row + column, value, left);
    }
    most = maximum(most, past_the_end(value, left, -__builtin_inff()));
  }
  return largest(most);
}

struct ExponentialSums {
  float plain = 0, softened = 0;  // logs
  double values = 0;              // sum of the logits themselves
};

inline ExponentialSums log_sums(const float* row, std::int64_t classes, float most, float inverse_temperature,
                                bool plain, bool softened) {
  LongSum at_one, at_t, values;
  visit_vocabulary(
      classes,
      [&](std::int64_t column, std::int64_t left) {
        const Floats value = load(row + column, left), below = value - most;
        if (plain) {
          at_one.add(past_the_end(exponential(below), left, 0.0f));
          values.add(value);
        }
        if (softened) at_t.add(past_the_end(exponential(below * inverse_temperature), left, 0.0f));
      },
      [&] { at_one.fold(), at_t.fold(), values.fold(); });
  return {most + static_cast<float>(__builtin_log(at_one.total())),
          most * inverse_temperature + static_cast<float>(__builtin_log(at_t.total())), values.total()};
}

struct RowWork {
  float *student, *teacher;
  std::int64_t classes;
  std::int32_t label;
  VocabularyRow row;
};

// The sums that other losses than forward KL need before a gradient can be told.
inline void mixed_sums(const RowWork& work, const VocabularyTerms& terms, VocabularyRow& row, double* sums) {
  LongSum forward, reverse, teacher_to_mixed, student_to_mixed;
  visit_vocabulary(
      work.classes,
      [&](std::int64_t column, std::int64_t left) {
        const auto e = vocabulary_element<VocabularyMath>(load(work.student + column, left),
                                                          load(work.teacher + column, left), terms, row);
        VocabularySums<VocabularyMath> all{};
        add_vocabulary_sums<VocabularyMath>(e, terms, all);
        forward.add(past_the_end(all.forward, left, 0.0f));
        reverse.add(past_the_end(all.reverse, left, 0.0f));
        teacher_to_mixed.add(past_the_end(all.teacher_to_mixed, left, 0.0f));
        student_to_mixed.add(past_the_end(all.student_to_mixed, left, 0.0f));
      },
      [&] { forward.fold(), reverse.fold(), teacher_to_mixed.fold(), student_to_mixed.fold(); });
  row.reverse = static_cast<float>(reverse.total());
  row.student_to_mixed = static_cast<float>(student_to_mixed.total());
  sums[0] += forward.total();
  sums[1] += reverse.total();
  sums[2] += static_cast<double>(terms.teacher_share) * teacher_to_mixed.total() +
             static_cast<double>(1.0f - terms.teacher_share) * student_to_mixed.total();
}

// One pass: forward KL's value where it is the only soft loss, and the gradient of them all.
template <bool kForward, bool kMixed, bool kCross>
inline void gradient_pass(const VocabularyRows& all, const RowWork& work, double* sums) {
  const VocabularyTerms& terms = all.terms;
  const float smoothing = terms.label_smoothing / static_cast<float>(work.classes);
  const float cross = work.label >= 0 ? terms.cross_entropy : 0.0f;
  const float slope = all.soft_cap > 0 ? 1.0f / (all.soft_cap * all.soft_cap) : 0.0f;
  auto* half = reinterpret_cast<std::uint16_t*>(work.student);
  LongSum forward;
  visit_vocabulary(
      work.classes,
      [&](std::int64_t column, std::int64_t left) {
        const Floats student = load(work.student + column, left);
        Floats gradient{};
        if constexpr (kForward || kMixed) {
          const auto e =
              vocabulary_element<VocabularyMath>(student, load(work.teacher + column, left), terms, work.row);
          if constexpr (kMixed) {
            gradient = mixed_gradient<VocabularyMath>(e, terms, work.row);
          } else {
            gradient = forward_gradient<VocabularyMath>(e, terms);
            forward.add(past_the_end(vocabulary_forward<VocabularyMath>(e), left, 0.0f));
          }
        }
        if constexpr (kCross) {
          gradient += cross_entropy_gradient<VocabularyMath>(student, cross, smoothing, work.row);
          const std::int64_t at = work.label - column;
          if (at >= 0 && at < kLanes) gradient[at] -= cross * (1.0f - terms.label_smoothing);
        }
        if (slope > 0) gradient *= 1.0f - student * student * slope;
        gradient *= all.scale;
        if (!all.wants_gradient) return;
        if (all.bf16) store(half + column, gradient, left);
        else store(work.student + column, gradient, left);
      },
      [&] { forward.fold(); });
  if constexpr (kForward && !kMixed) sums[0] += forward.total();
}

inline void run_gradient_pass(const VocabularyRows& all, const RowWork& work, bool mixed, double* sums) {
  const bool cross = all.terms.cross_entropy != 0;
  if (mixed && cross) return gradient_pass<false, true, true>(all, work, sums);
  if (mixed) return gradient_pass<false, true, false>(all, work, sums);
  if (work.teacher != nullptr && cross) return gradient_pass<true, false, true>(all, work, sums);
  if (work.teacher != nullptr) return gradient_pass<true, false, false>(all, work, sums);
  gradient_pass<false, false, true>(all, work, sums);
}

void vocabulary_rows(const VocabularyRows& all, double* sums, std::int64_t begin, std::int64_t end) {
  const VocabularyTerms& terms = all.terms;
  const bool mixed = all.teacher != nullptr && (terms.reverse != 0 || terms.jensen_shannon != 0);
  const bool cross = terms.cross_entropy != 0;
  for (std::int64_t index = begin; index < end; ++index) {
    RowWork work{all.student + index * all.stride,
                 all.teacher != nullptr ? all.teacher + index * all.teacher_stride : nullptr,
                 all.classes,
                 all.labels != nullptr ? all.labels[index] : -1,
                 {}};
    const float most = to_logits(work.student, work.classes, all.scale, all.soft_cap);
    const ExponentialSums own =
        log_sums(work.student, work.classes, most, terms.inverse_temperature, cross, work.teacher != nullptr);
    work.row.log_sum = own.plain;
    work.row.student_log_sum = own.softened;
    if (work.teacher != nullptr) {
      const float top = to_logits(work.teacher, work.classes, all.teacher_scale, all.teacher_soft_cap);
      work.row.teacher_log_sum =
          log_sums(work.teacher, work.classes, top, terms.inverse_temperature, false, true).softened;
    }
    if (cross && work.label >= 0) {
      const double log_sum = static_cast<double>(own.plain), smoothing = static_cast<double>(terms.label_smoothing);
      sums[3] += (1 - smoothing) * (log_sum - static_cast<double>(work.student[work.label]));
      // A masked class would make the mean infinite: only where it counts.
      if (smoothing > 0) sums[3] += smoothing * (log_sum - own.values / static_cast<double>(work.classes));
    }
    if (mixed) mixed_sums(work, terms, work.row, sums);
    run_gradient_pass(all, work, mixed, sums);
  }
}

}  // namespace
}  // namespace dsd::cpu
