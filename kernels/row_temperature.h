#pragma once
// A row's own temperature from how hard the row is, once for every processor: difficulties from what is summed over a
// row, and the temperature from them. `Math` gives the scalar of a row's sums, root(x) and power(x, y). The papers are
// in losses/temperature.h. z is the student's logits, y the teacher's, over the classes that neither side masks.

namespace dsd {

enum class RowMeasure {
  none,
  unlikeness,   // (1 - cosine(z, y))^power
  uncertainty,  // 1 / (max softmax(z) + 0.001)
  entropy,      // (H(y) + H(y) H(z) / log C) / 2, entropies at a temperature of their own
  miss          // 1 - softmax(z)[label]; NaN without a label
};

// temperature = base + slope (difficulty - mean), kept between least and most.
struct RowTemperature {
  RowMeasure measure = RowMeasure::none;
  double power = 1;                // of unlikeness
  double entropy_temperature = 1;  // of entropy
  double base = 1, slope = 0, mean = 0, least = 0, most = 1e30;
  bool given = false;   // the rows' temperatures come from outside, and the difficulty is only measured
  bool squared = true;  // a row's loss is multiplied by its temperature squared,
  bool weighs = false;  // and by its difficulty
};

template <class Math>
constexpr typename Math::Scalar unlikeness(typename Math::Scalar dot, typename Math::Scalar student_square,
                                           typename Math::Scalar teacher_square, typename Math::Scalar power) {
  using Scalar = typename Math::Scalar;
  const Scalar least = static_cast<Scalar>(1e-4f);
  const Scalar cosine = dot / ((Math::root(student_square) + least) * (Math::root(teacher_square) + least));
  const Scalar apart = cosine < 1 ? 1 - cosine : 0;
  return power == 1 ? apart : Math::power(apart, power);
}

template <class Math>
constexpr typename Math::Scalar uncertainty(typename Math::Scalar largest_share) {
  return 1 / (largest_share + static_cast<typename Math::Scalar>(1e-3f));
}

template <class Math>
constexpr typename Math::Scalar entropy_difficulty(typename Math::Scalar student, typename Math::Scalar teacher,
                                                   typename Math::Scalar most) {
  return most > 0 ? (teacher + teacher * student / most) / 2 : 0;
}

template <class Math>
constexpr typename Math::Scalar row_temperature(const RowTemperature& rule, typename Math::Scalar difficulty) {
  using Scalar = typename Math::Scalar;
  const Scalar wanted =
      static_cast<Scalar>(rule.base) + static_cast<Scalar>(rule.slope) * (difficulty - static_cast<Scalar>(rule.mean));
  const Scalar least = static_cast<Scalar>(rule.least), most = static_cast<Scalar>(rule.most);
  return wanted < least ? least : wanted > most ? most : wanted;
}

template <class Math>
constexpr typename Math::Scalar row_factor(const RowTemperature& rule, typename Math::Scalar temperature,
                                           typename Math::Scalar difficulty) {
  const typename Math::Scalar square = rule.squared ? temperature * temperature : 1;
  return rule.weighs ? square * difficulty : square;
}

}  // namespace dsd
