#pragma once
// AdamW's formula for one element, once for every processor. `Math` gives its number (a float, or a vector of them) and
// fma, root and splat; constexpr lets the device compiler take it too.

namespace dsd {

template <class Math, class Constants, class Rates>
constexpr void adam_formula(typename Math::Number& master, typename Math::Number& mean, typename Math::Number& square,
                            typename Math::Number gradient, const Constants& constants, const Rates& rates) {
  master = master * rates.decay;
  mean = Math::fma(mean, Math::splat(constants.beta1), gradient * (1.0f - constants.beta1));
  square = Math::fma(square, Math::splat(constants.beta2), (gradient * gradient) * (1.0f - constants.beta2));
  const auto root = Math::fma(Math::root(square), Math::splat(rates.inverse_root), Math::splat(constants.epsilon));
  master = Math::fma(Math::splat(-rates.step_size), mean / root, master);
}

}  // namespace dsd
