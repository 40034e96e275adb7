// Row losses over a vocabulary.
#include "kernels/cpu/vocabulary_temperature.inl"

namespace dsd::cpu {
namespace {

// Where either side masks classes, the sums are over what is left.
inline void find_common_sums(RowWork& work, const RowTops& tops) {
  const float* student_mask = tops.masked ? work.teacher : nullptr;
  const float* teacher_mask = tops.masked ? work.student : nullptr;
  const float inverse = work.terms.inverse_temperature;
  work.row.student_log_sum = softened_log_sum(work.student, student_mask, work.classes, tops.student, inverse);
  work.row.teacher_log_sum = softened_log_sum(work.teacher, teacher_mask, work.classes, tops.teacher, inverse);
}

// The sums that other losses than forward KL need before a gradient can be told.
inline void mixed_sums(const RowWork& work, const VocabularyTerms& terms, VocabularyRow<float>& row, double* sums) {
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
  add_totals(terms, forward.total(), reverse.total(), teacher_to_mixed.total(), student_to_mixed.total(), sums);
}

enum class Soft { none, forward, mixed, tail };  // what the gradient against the teacher is made of

// One pass: forward KL's value where it is the only soft loss, and the gradient of them all.
template <Soft kSoft, bool kCross>
inline void gradient_pass(const VocabularyRows& all, const RowWork& work, double* sums) {
  const VocabularyTerms& terms = work.terms;
  const float cross = work.label >= 0 ? terms.cross_entropy : 0.0f;
  const float slope = all.soft_cap > 0 ? 1.0f / (all.soft_cap * all.soft_cap) : 0.0f;
  auto* half = reinterpret_cast<std::uint16_t*>(work.student);
  LongSum forward;
  visit_vocabulary(
      work.classes,
      [&](std::int64_t column, std::int64_t left) {
        const Floats student = load(work.student + column, left);
        Floats gradient{};
        if constexpr (kSoft == Soft::forward || kSoft == Soft::mixed) {
          const auto e =
              vocabulary_element<VocabularyMath>(student, load(work.teacher + column, left), terms, work.row);
          if constexpr (kSoft == Soft::mixed) {
            gradient = mixed_gradient<VocabularyMath>(e, terms, work.row);
          } else {
            gradient = forward_gradient<VocabularyMath>(e, terms);
            forward.add(past_the_end(vocabulary_forward<VocabularyMath>(e), left, 0.0f));
          }
        }
        if constexpr (kSoft == Soft::tail)
          gradient = exponential(student * terms.inverse_temperature - work.tail_log_sum) * work.tail_gradient;
        if constexpr (kSoft != Soft::none) gradient *= work.factor;
        if constexpr (kCross) {
          gradient += cross_entropy_gradient<VocabularyMath>(student, cross, work.smoothing_each, work.row);
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
  if constexpr (kSoft == Soft::forward) sums[0] += forward.total();
}

template <Soft kSoft>
inline void run_gradient_pass(const VocabularyRows& all, const RowWork& work, double* sums) {
  if (all.terms.cross_entropy != 0) return gradient_pass<kSoft, true>(all, work, sums);
  gradient_pass<kSoft, false>(all, work, sums);
}

inline void add_cross_entropy(const VocabularyTerms& terms, RowWork& work, const PlainSums& own, double* sums) {
  work.row.log_sum = own.log_sum;
  work.smoothing_each = terms.label_smoothing / static_cast<float>(own.counted);
  if (work.label < 0) return;
  const double log_sum = static_cast<double>(own.log_sum), smoothing = static_cast<double>(terms.label_smoothing);
  sums[3] += (1 - smoothing) * (log_sum - static_cast<double>(work.student[work.label])) +
             smoothing * (log_sum - own.values / own.counted);
}

inline void against_top(const VocabularyRows& all, RowWork& work, std::int64_t index, double* sums) {
  const TopRow top{all.top_ids + index * all.top_count, all.top_log_p + index * all.top_count, all.top_log_tail[index],
                   all.top_logits + index * all.top_count, all.top_count};
  take_out(top, work);
  const VocabularyRow<double> row = top_sums(top, work, all.terms, sums);
  if (!all.wants_gradient) return;
  run_gradient_pass<Soft::tail>(all, work, sums);
  top_gradients(all, top, work, row);
}

// The losses of a row against the teacher's whole scores.
inline void against_scores(const VocabularyRows& all, RowWork& work, const Extremes& own, std::int64_t index,
                           double* sums) {
  const Extremes other = to_logits(work.teacher, work.classes, all.teacher_scale, all.teacher_soft_cap);
  const RowTops tops = common_tops(work, own, other);
  soften_row(all, work, tops, own.most, index);
  find_common_sums(work, tops);
  const VocabularyTerms& terms = work.terms;
  const bool mixed = terms.reverse != 0 || terms.jensen_shannon != 0;
  double soft[3] = {0, 0, 0};
  if (mixed) mixed_sums(work, terms, work.row, soft);
  if (mixed) run_gradient_pass<Soft::mixed>(all, work, soft);
  else run_gradient_pass<Soft::forward>(all, work, soft);
  for (int i = 0; i < 3; ++i) sums[i] += static_cast<double>(work.factor) * soft[i];
}

void vocabulary_rows(const VocabularyRows& all, double* sums, std::int64_t begin, std::int64_t end) {
  for (std::int64_t index = begin; index < end; ++index) {
    RowWork work{.student = all.student + index * all.stride,
                 .teacher = all.teacher != nullptr ? all.teacher + index * all.teacher_stride : nullptr,
                 .classes = all.classes,
                 .label = all.labels != nullptr ? all.labels[index] : -1,
                 .terms = all.terms};
    const Extremes own = to_logits(work.student, work.classes, all.scale, all.soft_cap);
    if (all.terms.cross_entropy != 0)
      add_cross_entropy(all.terms, work, plain_sums(work.student, work.classes, own.most), sums);
    if (all.top_ids != nullptr) against_top(all, work, index, sums);
    else if (work.teacher != nullptr) against_scores(all, work, own, index, sums);
    else if (all.wants_gradient) run_gradient_pass<Soft::none>(all, work, sums);
  }
}

}  // namespace
}  // namespace dsd::cpu
