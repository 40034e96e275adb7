#pragma once
// The losses of a row of logits over a vocabulary and their gradient, element by element, once for every processor.
// `Math` gives its number (a float or double, or a vector of floats), the scalar of a row's sums, exp, log,
// where_positive(x, value) (value where x > 0, 0 elsewhere) and where_finite(x, value) (value where x is above
// -infinity). constexpr lets the device compiler take it too; a template of Math, so that code for one instruction set
// never stands in for another's.
//
// p and q are the teacher's and the student's softmax at temperature T, m = share p + (1 - share) q, and z the
// student's logits. Forward KL and soft cross-entropy (Hinton et al. 2015, arXiv:1503.02531): sum p (log p - log q) and
// -sum p log q. Reverse KL (Gu et al. 2023, MiniLLM, arXiv:2306.08543): sum q (log q - log p). Generalised
// Jensen-Shannon (Agarwal et al. 2023, GKD, arXiv:2306.13649): share KL(p || m) + (1 - share) KL(q || m). Skewed KL (Ko
// et al. 2024, DistiLLM, arXiv:2402.03898): KL(p || m), and reversed KL(q || m). Total variation (Wen et al. 2023,
// arXiv:2307.15190): sum |p - q| / 2. Cross-entropy is at temperature 1. TAID's target (Shing et al. 2025,
// arXiv:2501.16937) mixes the teacher's logits with the student's own before any of it, and no gradient goes through
// it.
//
// A class that either side masks with -infinity (padding of a vocabulary) is out of the comparison on both: p and q are
// over the classes that are left, so that each loss stays a divergence, finite and never below 0. Against a teacher's
// top k the classes are those k and one for all the others, whose student's logit is the log of the sum of their
// exponentials: a true divergence, below that over all classes.

namespace dsd {

// What each loss is multiplied by in the objective (0: absent), and their settings.
struct VocabularyTerms {
  float forward = 0, soft_cross_entropy = 0, reverse = 0, jensen_shannon = 0, skew = 0, skew_reverse = 0;
  float total_variation = 0, cross_entropy = 0;
  float teacher_share = 0.5f;
  float label_smoothing = 0;
  float inverse_temperature = 1;
  float target_share = 1;  // the teacher's part in the target's logits: above 0, at most 1
};

// Sums over rows of the losses that the terms hold, before coefficients; where rows have temperatures of their own,
// each row against the teacher times its factor (row_temperature.h).
struct VocabularyTotals {
  double forward = 0, soft_cross_entropy = 0, reverse = 0, jensen_shannon = 0, skew = 0, skew_reverse = 0;
  double total_variation = 0, cross_entropy = 0;
};

// Calls body(a's, b's) for each loss, of whatever has a member for each.
template <class A, class B, class Body>
constexpr void each_loss(A& a, B& b, Body body) {
  body(a.forward, b.forward), body(a.soft_cross_entropy, b.soft_cross_entropy), body(a.reverse, b.reverse);
  body(a.jensen_shannon, b.jensen_shannon), body(a.skew, b.skew), body(a.skew_reverse, b.skew_reverse);
  body(a.total_variation, b.total_variation), body(a.cross_entropy, b.cross_entropy);
}

// A row's logs of sums of exponentials, and the means that gradients subtract.
template <class Scalar>
struct VocabularyRow {
  Scalar log_sum = 0;          // of z
  Scalar student_log_sum = 0;  // of z / T
  Scalar teacher_log_sum = 0;
  Scalar reverse = 0;           // sum q (log q - log p)
  Scalar student_to_mixed = 0;  // sum q (log q - log m)
  Scalar ratio = 0;             // sum q p / m
  Scalar excess = 0;            // sum q sign(q - p)
};

template <class Math>
struct VocabularySums {
  typename Math::Number forward, soft_cross_entropy, reverse, teacher_to_mixed, student_to_mixed, ratio;
  typename Math::Number total_variation, excess;
};

// Calls body(a's, b's) for each sum.
template <class A, class B, class Body>
constexpr void each_sum(A& a, B& b, Body body) {
  body(a.forward, b.forward), body(a.soft_cross_entropy, b.soft_cross_entropy), body(a.reverse, b.reverse);
  body(a.teacher_to_mixed, b.teacher_to_mixed), body(a.student_to_mixed, b.student_to_mixed), body(a.ratio, b.ratio);
  body(a.total_variation, b.total_variation), body(a.excess, b.excess);
}

template <class Math>
constexpr bool wants_mixed(const VocabularyTerms& terms) {
  return terms.jensen_shannon != 0 || terms.skew != 0 || terms.skew_reverse != 0;
}

// Whether the gradient needs sums over the row first: all losses but forward KL and soft cross-entropy.
template <class Math>
constexpr bool wants_sums(const VocabularyTerms& terms) {
  return wants_mixed<Math>(terms) || terms.reverse != 0 || terms.total_variation != 0;
}

template <class Math>
struct VocabularyElement {
  typename Math::Number log_p, log_q, p, q;
};

// Of logits at temperature T already: z / T, or the log of a probability.
template <class Math>
constexpr VocabularyElement<Math> softened_element(typename Math::Number student, typename Math::Number teacher,
                                                   const VocabularyRow<typename Math::Scalar>& row) {
  const auto log_p = teacher - row.teacher_log_sum;
  const auto log_q = student - row.student_log_sum;
  return {log_p, log_q, Math::where_finite(student, Math::exp(log_p)), Math::where_finite(teacher, Math::exp(log_q))};
}

template <class Math>
constexpr VocabularyElement<Math> vocabulary_element(typename Math::Number student, typename Math::Number teacher,
                                                     const VocabularyTerms& terms,
                                                     const VocabularyRow<typename Math::Scalar>& row) {
  return softened_element<Math>(student * terms.inverse_temperature, teacher * terms.inverse_temperature, row);
}

// The target's logit where the teacher has a part of it.
template <class Math>
constexpr typename Math::Number moved_target(typename Math::Number student, typename Math::Number teacher,
                                             const VocabularyTerms& terms) {
  return student * (1.0f - terms.target_share) + teacher * terms.target_share;
}

template <class Math>
constexpr typename Math::Number vocabulary_mixed(const VocabularyElement<Math>& e, const VocabularyTerms& terms) {
  return e.p * terms.teacher_share + e.q * (1.0f - terms.teacher_share);
}

template <class Math>
constexpr typename Math::Number vocabulary_forward(const VocabularyElement<Math>& e) {
  return Math::where_positive(e.p, e.p * (e.log_p - e.log_q));
}

template <class Math>
constexpr typename Math::Number vocabulary_soft_cross_entropy(const VocabularyElement<Math>& e) {
  return Math::where_positive(e.p, -(e.p * e.log_q));
}

// value where q > p, -value where q < p.
template <class Math>
constexpr typename Math::Number with_sign(const VocabularyElement<Math>& e, typename Math::Number value) {
  return Math::where_positive(e.q - e.p, value) - Math::where_positive(e.p - e.q, value);
}

// What the losses of the terms add up.
template <class Math>
constexpr void add_vocabulary_sums(const VocabularyElement<Math>& e, const VocabularyTerms& terms,
                                   VocabularySums<Math>& sums) {
  sums.forward += vocabulary_forward<Math>(e);
  if (terms.soft_cross_entropy != 0) sums.soft_cross_entropy += vocabulary_soft_cross_entropy<Math>(e);
  if (terms.reverse != 0) sums.reverse += Math::where_positive(e.q, e.q * (e.log_q - e.log_p));
  if (wants_mixed<Math>(terms)) {
    const auto mixed = vocabulary_mixed<Math>(e, terms), log_m = Math::log(mixed);
    sums.teacher_to_mixed += Math::where_positive(e.p, e.p * (e.log_p - log_m));
    sums.student_to_mixed += Math::where_positive(e.q, e.q * (e.log_q - log_m));
    sums.ratio += Math::where_positive(mixed, e.q * (e.p / mixed));
  }
  if (terms.total_variation != 0) {
    sums.total_variation += with_sign<Math>(e, (e.q - e.p) * 0.5f);
    sums.excess += with_sign<Math>(e, e.q);
  }
}

// The means of a row out of its sums, numbers.
template <class Math, class Sums>
constexpr void set_means(VocabularyRow<typename Math::Scalar>& row, const Sums& sums) {
  using Scalar = typename Math::Scalar;
  row.reverse = static_cast<Scalar>(sums.reverse);
  row.student_to_mixed = static_cast<Scalar>(sums.student_to_mixed);
  row.ratio = static_cast<Scalar>(sums.ratio);
  row.excess = static_cast<Scalar>(sums.excess);
}

// Gradients of the student's logit.
template <class Math>
constexpr typename Math::Number forward_gradient(const VocabularyElement<Math>& e, const VocabularyTerms& terms) {
  return (e.q - e.p) *
         (static_cast<typename Math::Scalar>(terms.forward + terms.soft_cross_entropy) * terms.inverse_temperature);
}

// Of KL(p || m), KL(q || m) and their mixture, before the temperature and a factor of q.
template <class Math>
constexpr typename Math::Number mixture_gradient(const VocabularyElement<Math>& e, const VocabularyTerms& terms,
                                                 const VocabularyRow<typename Math::Scalar>& row) {
  using Scalar = typename Math::Scalar;
  const auto share = static_cast<Scalar>(terms.teacher_share), rest = static_cast<Scalar>(1.0f - terms.teacher_share);
  const auto mixed = vocabulary_mixed<Math>(e, terms);
  const auto of_logs = e.log_q - Math::log(mixed) - row.student_to_mixed;
  const auto of_ratio = Math::where_positive(mixed, e.p / mixed) - row.ratio;
  return of_logs * (static_cast<Scalar>(terms.jensen_shannon) * rest + static_cast<Scalar>(terms.skew_reverse)) +
         of_ratio * (static_cast<Scalar>(terms.skew_reverse) * share - static_cast<Scalar>(terms.skew) * rest);
}

template <class Math>
constexpr typename Math::Number soft_gradient(const VocabularyElement<Math>& e, const VocabularyTerms& terms,
                                              const VocabularyRow<typename Math::Scalar>& row) {
  using Scalar = typename Math::Scalar;
  const auto inverse = static_cast<Scalar>(terms.inverse_temperature);
  // A coefficient of 0 takes its loss out whole: log p may be infinite.
  auto gradient = forward_gradient<Math>(e, terms);
  if (terms.reverse != 0)
    gradient += Math::where_positive(
        e.q, e.q * ((e.log_q - e.log_p - row.reverse) * (static_cast<Scalar>(terms.reverse) * inverse)));
  if (wants_mixed<Math>(terms))
    gradient += Math::where_positive(e.q, e.q * (mixture_gradient<Math>(e, terms, row) * inverse));
  if (terms.total_variation != 0)
    gradient +=
        (with_sign<Math>(e, e.q) - e.q * row.excess) * (static_cast<Scalar>(terms.total_variation) * 0.5f * inverse);
  return gradient;
}

// Without the label's own -(1 - smoothing). `smoothing_each`: the share of a class that is not masked.
template <class Math>
constexpr typename Math::Number cross_entropy_gradient(typename Math::Number student, typename Math::Scalar coefficient,
                                                       typename Math::Scalar smoothing_each,
                                                       const VocabularyRow<typename Math::Scalar>& row) {
  return Math::where_finite(student, (Math::exp(student - row.log_sum) - smoothing_each) * coefficient);
}

}  // namespace dsd
