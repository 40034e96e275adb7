#pragma once
// The losses of a row of logits over a vocabulary and their gradient, element by element, once for every processor.
// `Math` gives its number (a float or double, or a vector of floats), the scalar of a row's sums, exp, log,
// where_positive(x, value) (value where x > 0, 0 elsewhere) and where_finite(x, value) (value where x is above
// -infinity). constexpr lets the device compiler take it too.
//
// p and q are the teacher's and the student's softmax at temperature T, m = share p + (1 - share) q, and z the
// student's logits. Forward KL (Hinton et al. 2015, arXiv:1503.02531): sum p (log p - log q). Reverse KL (Gu et al.
// 2023, MiniLLM, arXiv:2306.08543): sum q (log q - log p). Generalised Jensen-Shannon (Agarwal et al. 2023, GKD,
// arXiv:2306.13649): share sum p (log p - log m) + (1 - share) sum q (log q - log m). Cross-entropy is at
// temperature 1.
//
// A class that either side masks with -infinity (padding of a vocabulary) is out of the comparison on both: p and q are
// over the classes that are left, so that each loss stays a divergence, finite and never below 0. Against a teacher's
// top k the classes are those k and one for all the others, whose student's logit is the log of the sum of their
// exponentials: a true divergence, below that over all classes.

namespace dsd {

// What each loss is multiplied by in the objective (0: absent), and their settings.
struct VocabularyTerms {
  float forward = 0, reverse = 0, jensen_shannon = 0, cross_entropy = 0;
  float teacher_share = 0.5f;
  float label_smoothing = 0;
  float inverse_temperature = 1;
};

// A row's logs of sums of exponentials, and the means that gradients subtract.
template <class Scalar>
struct VocabularyRow {
  Scalar log_sum = 0;          // of z
  Scalar student_log_sum = 0;  // of z / T
  Scalar teacher_log_sum = 0;
  Scalar reverse = 0;           // sum q (log q - log p)
  Scalar student_to_mixed = 0;  // sum q (log q - log m)
};

template <class Math>
struct VocabularySums {
  typename Math::Number forward, reverse, teacher_to_mixed, student_to_mixed;
};

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

template <class Math>
constexpr typename Math::Number vocabulary_log_mixed(const VocabularyElement<Math>& e, const VocabularyTerms& terms) {
  return Math::log(e.p * terms.teacher_share + e.q * (1.0f - terms.teacher_share));
}

template <class Math>
constexpr typename Math::Number vocabulary_forward(const VocabularyElement<Math>& e) {
  return Math::where_positive(e.p, e.p * (e.log_p - e.log_q));
}

// What the losses beside forward KL add up.
template <class Math>
constexpr void add_vocabulary_sums(const VocabularyElement<Math>& e, const VocabularyTerms& terms,
                                   VocabularySums<Math>& sums) {
  const auto log_m = vocabulary_log_mixed<Math>(e, terms);
  sums.forward += vocabulary_forward<Math>(e);
  sums.reverse += Math::where_positive(e.q, e.q * (e.log_q - e.log_p));
  sums.teacher_to_mixed += Math::where_positive(e.p, e.p * (e.log_p - log_m));
  sums.student_to_mixed += Math::where_positive(e.q, e.q * (e.log_q - log_m));
}

// Gradients of the student's logit.
template <class Math>
constexpr typename Math::Number forward_gradient(const VocabularyElement<Math>& e, const VocabularyTerms& terms) {
  return (e.q - e.p) * (static_cast<typename Math::Scalar>(terms.forward) * terms.inverse_temperature);
}

template <class Math>
constexpr typename Math::Number mixed_gradient(const VocabularyElement<Math>& e, const VocabularyTerms& terms,
                                               const VocabularyRow<typename Math::Scalar>& row) {
  using Scalar = typename Math::Scalar;
  const auto log_m = vocabulary_log_mixed<Math>(e, terms);
  const auto reverse =
      (e.log_q - e.log_p - row.reverse) * (static_cast<Scalar>(terms.reverse) * terms.inverse_temperature);
  const auto mixed =
      (e.log_q - log_m - row.student_to_mixed) *
      (static_cast<Scalar>(terms.jensen_shannon) * (1.0f - terms.teacher_share) * terms.inverse_temperature);
  // A coefficient of 0 takes its loss out whole: log p may be infinite.
  auto gradient = forward_gradient<Math>(e, terms);
  if (terms.reverse != 0) gradient += Math::where_positive(e.q, e.q * reverse);
  if (terms.jensen_shannon != 0) gradient += Math::where_positive(e.q, e.q * mixed);
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
