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
inline void add_sums(RowWork& work, VocabularyTotals* totals) {
  VocabularySums<LongMath> sums;
  visit_vocabulary(
      work.classes,
      [&](std::int64_t column, std::int64_t left) {
        const auto e = vocabulary_element<VocabularyMath>(load(work.student + column, left),
                                                          load(work.teacher + column, left), work.terms, work.row);
        VocabularySums<VocabularyMath> part{};
        add_vocabulary_sums<VocabularyMath>(e, work.terms, part);
        each_sum(sums, part, [&](LongSum& sum, Floats value) { sum.add(past_the_end(value, left, 0.0f)); });
      },
      [&] { each_sum(sums, sums, [](LongSum& sum, LongSum&) { sum.fold(); }); });
  VocabularySums<TopMath> numbers{};
  each_sum(numbers, sums, [](double& number, const LongSum& sum) { number = sum.total(); });
  set_means<VocabularyMath>(work.row, numbers);
  add_totals(work.terms, numbers, totals);
}

// What the gradient against the teacher is made of; `crossed` is forward KL's, beside the value of soft cross-entropy.
enum class Soft { none, forward, crossed, summed, tail };

// One pass: forward KL's value where it is the only soft loss, and the gradient of them all.
template <Soft kSoft, bool kCross>
inline void gradient_pass(const VocabularyRows& all, const RowWork& work, VocabularyTotals* totals) {
  const VocabularyTerms& terms = work.terms;
  const float cross = work.label >= 0 ? terms.cross_entropy : 0.0f;
  const float slope = all.soft_cap > 0 ? 1.0f / (all.soft_cap * all.soft_cap) : 0.0f;
  auto* half = reinterpret_cast<std::uint16_t*>(work.student);
  LongSum forward, crossed;
  visit_vocabulary(
      work.classes,
      [&](std::int64_t column, std::int64_t left) {
        const Floats student = load(work.student + column, left);
        Floats gradient{};
        if constexpr (kSoft == Soft::forward || kSoft == Soft::crossed || kSoft == Soft::summed) {
          const auto e =
              vocabulary_element<VocabularyMath>(student, load(work.teacher + column, left), terms, work.row);
          if constexpr (kSoft == Soft::summed) {
            gradient = soft_gradient<VocabularyMath>(e, terms, work.row);
          } else {
            gradient = forward_gradient<VocabularyMath>(e, terms);
            forward.add(past_the_end(vocabulary_forward<VocabularyMath>(e), left, 0.0f));
            if constexpr (kSoft == Soft::crossed)
              crossed.add(past_the_end(vocabulary_soft_cross_entropy<VocabularyMath>(e), left, 0.0f));
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
      [&] {
        forward.fold();
        if constexpr (kSoft == Soft::crossed) crossed.fold();
      });
  if constexpr (kSoft == Soft::forward || kSoft == Soft::crossed) totals->forward += forward.total();
  if constexpr (kSoft == Soft::crossed) totals->soft_cross_entropy += crossed.total();
}

template <Soft kSoft>
inline void run_gradient_pass(const VocabularyRows& all, const RowWork& work, VocabularyTotals* totals) {
  if (all.terms.cross_entropy != 0) return gradient_pass<kSoft, true>(all, work, totals);
  gradient_pass<kSoft, false>(all, work, totals);
}

inline void add_cross_entropy(const VocabularyTerms& terms, RowWork& work, const PlainSums& own,
                              VocabularyTotals* totals) {
  work.row.log_sum = own.log_sum;
  work.smoothing_each = terms.label_smoothing / static_cast<float>(own.counted);
  if (work.label < 0) return;
  const double log_sum = static_cast<double>(own.log_sum), smoothing = static_cast<double>(terms.label_smoothing);
  totals->cross_entropy += (1 - smoothing) * (log_sum - static_cast<double>(work.student[work.label])) +
                           smoothing * (log_sum - own.values / own.counted);
}

inline void against_top(const VocabularyRows& all, RowWork& work, std::int64_t index, VocabularyTotals* totals) {
  const TopRow top{all.top_ids + index * all.top_count, all.top_log_p + index * all.top_count, all.top_log_tail[index],
                   all.top_logits + index * all.top_count, all.top_count};
  take_out(top, work);
  const VocabularyRow<double> row = top_sums(top, work, all.terms, totals);
  if (!all.wants_gradient) return;
  run_gradient_pass<Soft::tail>(all, work, totals);
  top_gradients(all, top, work, row);
}

// The losses of a row against the teacher's whole scores. How hard the row is, is measured on them as they are, before
// a target moves.
inline void against_scores(const VocabularyRows& all, RowWork& work, const Extremes& own, std::int64_t index,
                           VocabularyTotals* totals) {
  const Extremes other = to_logits(work.teacher, work.classes, all.teacher_scale, all.teacher_soft_cap);
  RowTops tops = common_tops(work, own, other);
  soften_row(all, work, tops, own.most, index);
  const VocabularyTerms& terms = work.terms;
  if (terms.target_share < 1)
    tops = common_tops(work, own, move_target(work.teacher, work.student, work.classes, terms));
  find_common_sums(work, tops);
  VocabularyTotals soft;
  if (wants_sums<VocabularyMath>(terms)) {
    add_sums(work, &soft);
    run_gradient_pass<Soft::summed>(all, work, &soft);
  } else if (terms.soft_cross_entropy != 0) {
    run_gradient_pass<Soft::crossed>(all, work, &soft);
  } else {
    run_gradient_pass<Soft::forward>(all, work, &soft);
  }
  const auto factor = static_cast<double>(work.factor);
  each_loss(*totals, soft, [&](double& total, double part) { total += factor * part; });
}

void vocabulary_rows(const VocabularyRows& all, VocabularyTotals* totals, std::int64_t begin, std::int64_t end) {
  for (std::int64_t index = begin; index < end; ++index) {
    RowWork work{.student = all.student + index * all.stride,
                 .teacher = all.teacher != nullptr ? all.teacher + index * all.teacher_stride : nullptr,
                 .classes = all.classes,
                 .label = all.labels != nullptr ? all.labels[index] : -1,
                 .terms = all.terms};
    const Extremes own = to_logits(work.student, work.classes, all.scale, all.soft_cap);
    if (all.terms.cross_entropy != 0)
      add_cross_entropy(all.terms, work, plain_sums(work.student, work.classes, own.most), totals);
    if (all.top_ids != nullptr) against_top(all, work, index, totals);
    else if (work.teacher != nullptr) against_scores(all, work, own, index, totals);
    else if (all.wants_gradient) run_gradient_pass<Soft::none>(all, work, totals);
  }
}

}  // namespace
}  // namespace dsd::cpu
