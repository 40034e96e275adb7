// Bias and activation between the two products of an MLP, with the derivative that backward needs.
#include "kernels/cpu/functions.h"
#include "kernels/cpu/vector.h"

namespace dsd::cpu {
namespace {

struct ValueAndSlope {
  Floats value, slope;
};

// By the error function, Abramowitz & Stegun 7.1.26 (absolute error 1.5e-7). One exponential serves both results.
inline ValueAndSlope gelu(Floats x) {
  const Floats bell = exponential_within(maximum(x * x * -0.5f, splat(-87.0f)));
  const Floats t = reciprocal(fma(absolute(x), splat(0.70710678f * 0.3275911f), splat(1.0f)));
  Floats series = splat(1.061405429f);
  series = fma(series, t, splat(-1.453152027f));
  series = fma(series, t, splat(1.421413741f));
  series = fma(series, t, splat(-0.284496736f));
  series = fma(series, t, splat(0.254829592f));
  const Floats upper_tail = series * t * bell * 0.5f;
  const Floats share = x >= Floats{} ? 1.0f - upper_tail : upper_tail;
  return {x * share, fma(x * 0.39894228f, bell, share)};
}

inline Floats logistic(Floats x) {
  return reciprocal(exponential_within(minimum(maximum(-x, splat(-87.0f)), splat(87.0f))) + 1.0f);
}

inline ValueAndSlope gelu_tanh(Floats x) {
  const Floats square = x * x;
  const Floats inner = x * 0.7978845608f * fma(square, splat(0.044715f), splat(1.0f));
  // (1 + tanh(inner)) / 2 is the logistic function of 2 inner.
  const Floats share = logistic(inner * 2.0f);
  const Floats inner_slope = fma(square, splat(3.0f * 0.044715f), splat(1.0f)) * 0.7978845608f;
  return {x * share, fma(x * 2.0f * share * (1.0f - share), inner_slope, share)};
}

inline ValueAndSlope silu(Floats x) {
  const Floats share = logistic(x);
  return {x * share, fma(x * share, 1.0f - share, share)};
}

inline ValueAndSlope relu(Floats x) { return {maximum(x, Floats{}), x > Floats{} ? splat(1.0f) : Floats{}}; }

template <bool kSaves, class Formula>
inline void activate_rows(const ActivationForward& work, std::int64_t begin, std::int64_t end, Formula formula) {
  for (std::int64_t row = begin; row < end; ++row) {
    float* values = work.values + row * work.width;
    for (std::int64_t column = 0; column < work.width; column += kLanes) {
      const std::int64_t left = work.width - column, at = row * work.width + column;
      const ValueAndSlope result = formula(load(values + column, left) + load(work.bias + column, left));
      if constexpr (kSaves) store(values + column, result.slope, left);
      if (work.out_bf16 != nullptr) {
        store(work.out_bf16 + at, result.value, left);
      } else {
        store(work.out + at, result.value, left);
      }
    }
  }
}

template <class Formula>
inline void activate(const ActivationForward& work, std::int64_t begin, std::int64_t end, Formula formula) {
  if (work.saves) return activate_rows<true>(work, begin, end, formula);
  activate_rows<false>(work, begin, end, formula);
}

void activation_forward(const ActivationForward& work, std::int64_t begin, std::int64_t end) {
  switch (work.curve) {
    case Curve::gelu:
      return activate(work, begin, end, [](Floats x) { return gelu(x); });
    case Curve::gelu_tanh:
      return activate(work, begin, end, [](Floats x) { return gelu_tanh(x); });
    case Curve::relu:
      return activate(work, begin, end, [](Floats x) { return relu(x); });
    case Curve::silu:
      return activate(work, begin, end, [](Floats x) { return silu(x); });
  }
}

void activation_backward(const ActivationBackward& work, float* sums, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    for (std::int64_t column = 0; column < work.width; column += kLanes) {
      const std::int64_t left = work.width - column, at = row * work.width + column;
      const Floats value = load(work.gradient + at, left) * load(work.derivative + at, left);
      store(sums + column, load(sums + column, left) + value, left);
      if (work.out_bf16 != nullptr) {
        store(work.out_bf16 + at, value, left);
      } else {
        store(work.gradient + at, value, left);
      }
    }
  }
}

}  // namespace
}  // namespace dsd::cpu
