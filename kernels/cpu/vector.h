#pragma once
// A vector of floats as wide as the instruction set that a source is compiled for, and the mathematics that our kernels
// need on it. Everything here has internal linkage: a source built with wide instructions must not hand a function to a
// source built without them. Include it only from the sources of kernels/cpu, and no header with inline functions
// beside it.

#include <immintrin.h>

#include <cstdint>
#include <utility>

namespace dsd::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef std::int32_t Ints __attribute__((vector_size(4 * kLanes)));
typedef std::uint32_t Words __attribute__((vector_size(4 * kLanes)));
typedef std::uint64_t Doubles __attribute__((vector_size(4 * kLanes)));
typedef std::uint16_t Halves __attribute__((vector_size(2 * kLanes)));

inline Floats load(const float* from) {
  Floats value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}
inline void store(float* to, Floats value) { __builtin_memcpy(to, &value, sizeof value); }

// Round to nearest even; a NaN stays one.
inline void store(std::uint16_t* to, Floats value) {
  const Words bits = reinterpret_cast<Words>(value);
  const Words rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const Words kept = value == value ? rounded : (bits >> 16) | 0x40u;
  const Halves halves = __builtin_convertvector(kept, Halves);
  __builtin_memcpy(to, &halves, sizeof halves);
}

// The first `left` elements where fewer than kLanes are left; the others are 0.
inline Floats load(const float* from, std::int64_t left) {
  if (left >= kLanes) return load(from);
  Floats value{};
  for (int lane = 0; lane < left; ++lane) value[lane] = from[lane];
  return value;
}
template <class T>
inline void store(T* to, Floats value, std::int64_t left) {
  if (left >= kLanes) return store(to, value);
  T all[kLanes];
  store(all, value);
  for (int lane = 0; lane < left; ++lane) to[lane] = all[lane];
}

inline Floats splat(float value) { return value - Floats{}; }
inline Words splat_words(std::uint32_t value) { return value - Words{}; }

inline Words lane_numbers() {
  Words lanes;
  for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = static_cast<std::uint32_t>(lane);
  return lanes;
}

inline Floats maximum(Floats a, Floats b) { return a > b ? a : b; }
inline Floats minimum(Floats a, Floats b) { return a < b ? a : b; }
inline Floats absolute(Floats a) { return reinterpret_cast<Floats>(reinterpret_cast<Words>(a) & 0x7FFFFFFFu); }

#if defined(__AVX512F__)
inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats square_root(Floats a) { return _mm512_sqrt_ps(a); }
inline float sum(Floats a) { return _mm512_reduce_add_ps(a); }
inline float largest(Floats a) { return _mm512_reduce_max_ps(a); }
inline Doubles multiply_even(Words a, Words b) {
  return reinterpret_cast<Doubles>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
#else
#if defined(__AVX2__)
inline Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats square_root(Floats a) { return _mm256_sqrt_ps(a); }
inline Doubles multiply_even(Words a, Words b) {
  return reinterpret_cast<Doubles>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
#else
inline Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
inline Floats square_root(Floats a) { return _mm_sqrt_ps(a); }
inline Doubles multiply_even(Words a, Words b) {
  return reinterpret_cast<Doubles>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
}
#endif
inline float sum(Floats a) {
  float total[kLanes];
  store(total, a);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) total[lane] += total[lane + width];
  }
  return total[0];
}
inline float largest(Floats a) {
  float most = a[0];
  for (int lane = 1; lane < kLanes; ++lane) most = a[lane] > most ? a[lane] : most;
  return most;
}
#endif

#if defined(__AVX512F__)
// One step of Newton's on 14 good bits: a division takes sixteen cycles. Finite, positive a below 2^126.
inline Floats reciprocal(Floats a) {
  const Floats guess = _mm512_rcp14_ps(a);
  return fma(guess, fma(-a, guess, splat(1.0f)), guess);
}
#else
inline Floats reciprocal(Floats a) { return 1.0f / a; }
#endif

// Swaps the off-diagonal blocks of width kStep between two rows of a square.
template <int kStep, int... kLane>
inline void exchange(Floats& upper, Floats& lower, std::integer_sequence<int, kLane...>) {
  const Floats first =
      __builtin_shuffle(upper, lower, Ints{((kLane & kStep) == 0 ? kLane : kLanes + kLane - kStep)...});
  lower = __builtin_shuffle(upper, lower, Ints{((kLane & kStep) == 0 ? kLane + kStep : kLanes + kLane)...});
  upper = first;
}

template <int kStep = kLanes / 2>
inline void transpose(Floats (&square)[kLanes]) {
#pragma GCC unroll 16
  for (int row = 0; row < kLanes; ++row) {
    if ((row & kStep) == 0)
      exchange<kStep>(square[row], square[row + kStep], std::make_integer_sequence<int, kLanes>());
  }
  if constexpr (kStep > 1) transpose<kStep / 2>(square);
}

// Of -87 ... 88, with a relative error below 3e-7.
inline Floats exponential_within(Floats x) {
  // Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the sum.
  const Floats shifted = fma(x, splat(1.44269504089f), splat(12582912.0f));
  const Floats count = shifted - 12582912.0f;
  const Floats rest = fma(count, splat(2.12194440e-4f), fma(count, splat(-0.693359375f), x));
  Floats series = splat(1.9875691500e-4f);
  series = fma(series, rest, splat(1.3981999507e-3f));
  series = fma(series, rest, splat(8.3334519073e-3f));
  series = fma(series, rest, splat(4.1665795894e-2f));
  series = fma(series, rest, splat(1.6666665459e-1f));
  series = fma(series, rest, splat(5.0000001201e-1f));
  series = fma(series, rest * rest, rest + 1.0f);
  const Ints power = (reinterpret_cast<Ints>(shifted) << 23) + 0x3F800000;
  return series * reinterpret_cast<Floats>(power);
}
// 0 below -87.
inline Floats exponential(Floats x) {
  const Floats value = exponential_within(minimum(maximum(x, splat(-87.0f)), splat(88.0f)));
  return x < splat(-87.0f) ? Floats{} : value;
}

// The natural logarithm of x > 0, with a relative error near 1e-7 (Cephes' polynomial); -infinity of 0.
inline Floats logarithm(Floats x) {
  const Ints bits = reinterpret_cast<Ints>(x);
  // The mantissa in [sqrt(1/2), sqrt(2)).
  const Ints shifted = bits - 0x3F3504F3;
  const Ints exponent = shifted >> 23;
  const Floats m = reinterpret_cast<Floats>(bits - (exponent << 23)) - 1.0f;
  const Floats e = __builtin_convertvector(exponent, Floats);
  Floats series = splat(7.0376836292e-2f);
  series = fma(series, m, splat(-1.1514610310e-1f));
  series = fma(series, m, splat(1.1676998740e-1f));
  series = fma(series, m, splat(-1.2420140846e-1f));
  series = fma(series, m, splat(1.4249322787e-1f));
  series = fma(series, m, splat(-1.6668057665e-1f));
  series = fma(series, m, splat(2.0000714765e-1f));
  series = fma(series, m, splat(-2.4999993993e-1f));
  series = fma(series, m, splat(3.3333331174e-1f));
  const Floats square = m * m;
  Floats value = series * m * square;
  value = fma(e, splat(-2.12194440e-4f), value);
  value = fma(square, splat(-0.5f), value);
  value = fma(e, splat(0.693359375f), m + value);
  return x > Floats{} ? value : splat(-__builtin_inff());
}

inline Floats past_the_end(Floats value, std::int64_t left, float filler) {
  return left >= kLanes || reinterpret_cast<Ints>(lane_numbers()) < static_cast<std::int32_t>(left) ? value
                                                                                                    : splat(filler);
}

// Denormal numbers are taken as 0 while this lives: moments that decay for long would otherwise cost hundreds of cycles
// an operation.
class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned before_;
};

}  // namespace
}  // namespace dsd::cpu
