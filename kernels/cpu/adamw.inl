// AdamW on a run of elements. One formula serves an update and the replay of steps without a gradient.
#include "kernels/adamw_formula.h"
#include "kernels/cpu/functions.h"
#include "kernels/cpu/vector.h"

namespace dsd::cpu {
namespace {

struct AdamElements {
  Floats master, mean, square;
};

// Of an unnamed namespace, so that what is made of the formula is this file's alone.
struct VectorMath {
  using Number = Floats;
  static Floats fma(Floats a, Floats b, Floats c) { return cpu::fma(a, b, c); }
  static Floats root(Floats a) { return square_root(a); }
  static Floats splat(float value) { return cpu::splat(value); }
};

inline void adam_update(AdamElements& element, Floats gradient, const AdamConstants& constants,
                        const AdamRates& rates) {
  adam_formula<VectorMath>(element.master, element.mean, element.square, gradient, constants, rates);
}

inline AdamElements adam_load(const AdamRow& row, std::int64_t at, std::int64_t left) {
  return {load(row.master + at, left), load(row.mean + at, left), load(row.square + at, left)};
}

inline void adam_store(const AdamRow& row, const AdamElements& element, std::int64_t at, std::int64_t left) {
  store(row.master + at, element.master, left);
  store(row.mean + at, element.mean, left);
  store(row.square + at, element.square, left);
  if (row.shadow != nullptr) store(row.shadow + at, element.master, left);
}

void adamw(AdamRow row, float* gradient, bool clears_gradient, float gradient_scale, std::int64_t count,
           AdamConstants constants, AdamRates rates) {
  const FlushDenormals flush;
  for (std::int64_t at = 0; at < count; at += kLanes) {
    const std::int64_t left = count - at;
    AdamElements element = adam_load(row, at, left);
    adam_update(element, load(gradient + at, left) * gradient_scale, constants, rates);
    adam_store(row, element, at, left);
    if (clears_gradient) store(gradient + at, Floats{}, left);
  }
}

// A row that never had a gradient has moments of 0: they stay 0, and the master is only multiplied.
inline bool has_moments(const AdamRow& row, std::int64_t count) {
  Ints any{};
  for (std::int64_t at = 0; at < count; at += kLanes) {
    any |= (load(row.mean + at, count - at) != Floats{}) | (load(row.square + at, count - at) != Floats{});
  }
  std::int32_t found = 0;
  for (int lane = 0; lane < kLanes; ++lane) found |= any[lane];
  return found != 0;
}

void replay_decay(const AdamRow& row, std::int64_t count, const AdamRates* rates, std::int64_t steps) {
  for (std::int64_t at = 0; at < count; at += kLanes) {
    Floats master = load(row.master + at, count - at);
    for (std::int64_t step = 0; step < steps; ++step) master = master * rates[step].decay;
    store(row.master + at, master, count - at);
    if (row.shadow != nullptr) store(row.shadow + at, master, count - at);
  }
}

void adamw_replay(AdamRow row, std::int64_t count, AdamConstants constants, const AdamRates* rates,
                  std::int64_t steps) {
  const FlushDenormals flush;
  if (!has_moments(row, count)) return replay_decay(row, count, rates, steps);
  // Four vectors at a time stay in registers and hide each other's latency.
  std::int64_t at = 0;
  for (; at + 4 * kLanes <= count; at += 4 * kLanes) {
    AdamElements element[4];
    for (int i = 0; i < 4; ++i) element[i] = adam_load(row, at + i * kLanes, kLanes);
    for (std::int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) adam_update(element[i], Floats{}, constants, rates[step]);
    }
    for (int i = 0; i < 4; ++i) adam_store(row, element[i], at + i * kLanes, kLanes);
  }
  for (; at < count; at += kLanes) {
    AdamElements element = adam_load(row, at, count - at);
    for (std::int64_t step = 0; step < steps; ++step) adam_update(element, Floats{}, constants, rates[step]);
    adam_store(row, element, at, count - at);
  }
}

void round_to_bf16(const float* from, std::uint16_t* to, std::int64_t count) {
  for (std::int64_t at = 0; at < count; at += kLanes) store(to + at, load(from + at, count - at), count - at);
}

}  // namespace
}  // namespace dsd::cpu
