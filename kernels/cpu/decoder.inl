// What a pre-norm decoder needs between its products: root-mean-square norm, rotary positions, the gated activation,
// and the softmax of a tile of attention scores.
#include <cmath>

#include "kernels/cpu/functions.h"
#include "kernels/cpu/vector.h"

namespace dsd::cpu {
namespace {

template <class Body>
inline void each_column(std::int64_t width, Body body) {
  for (std::int64_t column = 0; column < width; column += kLanes) body(column, width - column);
}

void scale_norm_forward(const ScaleNormForward& work, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float* x = work.x + row * work.width;
    Floats squares{};
    each_column(work.width, [&](std::int64_t column, std::int64_t left) {
      const Floats value = load(x + column, left);
      squares = fma(value, value, squares);
    });
    const float mean = sum(squares) / static_cast<float>(work.width);
    const float inverse = 1.0f / square_root(splat(mean + work.epsilon))[0];
    if (work.inverse != nullptr) work.inverse[row] = inverse;
    each_column(work.width, [&](std::int64_t column, std::int64_t left) {
      const Floats value = load(x + column, left) * inverse * load(work.gain + column, left);
      if (work.out != nullptr) store(work.out + row * work.width + column, value, left);
      if (work.out_bf16 != nullptr) store(work.out_bf16 + row * work.width + column, value, left);
    });
  }
}

void scale_norm_backward(const ScaleNormBackward& work, float* sums, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float *gradient = work.gradient + row * work.width, *x = work.x + row * work.width;
    float* to_x = work.to_x + row * work.width;
    const float inverse = work.inverse[row];
    Floats products{};
    each_column(work.width, [&](std::int64_t column, std::int64_t left) {
      const Floats normal = load(x + column, left) * inverse, g = load(gradient + column, left);
      store(sums + column, fma(g, normal, load(sums + column, left)), left);
      products = fma(g * load(work.gain + column, left), normal, products);
    });
    const float mean = sum(products) / static_cast<float>(work.width);
    each_column(work.width, [&](std::int64_t column, std::int64_t left) {
      const Floats normal = load(x + column, left) * inverse;
      const Floats scaled = load(gradient + column, left) * load(work.gain + column, left);
      store(to_x + column, fma(fma(normal, splat(-mean), scaled), splat(inverse), load(to_x + column, left)), left);
    });
  }
}

void rotate(const Rotation& work, std::int64_t begin, std::int64_t end) {
  const std::int64_t half = work.head_width / 2;
  const float sign = work.backwards ? -1.0f : 1.0f;
  for (std::int64_t row = begin; row < end; ++row) {
    const float *cosine = work.cosine + work.positions[row] * half, *sine = work.sine + work.positions[row] * half;
    for (std::int64_t head = 0; head < work.heads; ++head) {
      float* low = work.values + row * work.stride + head * work.head_width;
      float* high = low + half;
      each_column(half, [&](std::int64_t column, std::int64_t left) {
        const Floats c = load(cosine + column, left), s = load(sine + column, left) * sign;
        const Floats a = load(low + column, left), b = load(high + column, left);
        store(low + column, fma(a, c, -(b * s)), left);
        store(high + column, fma(b, c, a * s), left);
      });
    }
  }
}

void gate_forward(const GateForward& work, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float *gate = work.gate_up + row * 2 * work.width, *up = gate + work.width;
    each_column(work.width, [&](std::int64_t column, std::int64_t left) {
      const Floats value = silu(load(gate + column, left)).value * load(up + column, left);
      if (work.out != nullptr) store(work.out + row * work.width + column, value, left);
      if (work.out_bf16 != nullptr) store(work.out_bf16 + row * work.width + column, value, left);
    });
  }
}

void gate_backward(const GateBackward& work, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    float *gate = work.gate_up + row * 2 * work.width, *up = gate + work.width;
    const float* gradient = work.gradient + row * work.width;
    each_column(work.width, [&](std::int64_t column, std::int64_t left) {
      const ValueAndSlope curve = silu(load(gate + column, left));
      const Floats g = load(gradient + column, left);
      const Floats to_gate = g * load(up + column, left) * curve.slope, to_up = g * curve.value;
      store(gate + column, to_gate, left);
      store(up + column, to_up, left);
    });
  }
}

// The columns that row `row` of a tile may look at: [0, sinks) and [first, last).
struct Span {
  std::int64_t first, last;
};
inline Span span_of(const ScoreTile& tile, std::int64_t row) {
  const std::int64_t last = tile.last + row;
  const std::int64_t first = tile.window > 0 ? last - tile.window : tile.sinks;
  return {first > tile.sinks ? first : tile.sinks, last < tile.columns ? last : tile.columns};
}

template <class Body>
inline void visit_scores(const ScoreTile& tile, std::int64_t row, Body body) {
  const auto part = [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t column = first; column < last; column += kLanes) body(column, last - column);
  };
  const Span span = span_of(tile, row);
  part(0, tile.sinks);
  part(span.first, span.last);
}

// Score of a column: scaled, with what is added to it. `row_bias` is null or runs along the columns.
inline Floats score_at(const ScoreTile& tile, const float* scores, const float* row_bias, std::int64_t column,
                       std::int64_t left) {
  Floats value = load(scores + column, left) * tile.scale;
  if (row_bias != nullptr) value += load(row_bias + column, left);
  if (tile.key_bias != nullptr) value += load(tile.key_bias + column, left);
  return value;
}

inline void clear_beyond(const ScoreTile& tile, std::int64_t row, float* scores) {
  const Span span = span_of(tile, row);
  for (std::int64_t column = tile.sinks; column < span.first; ++column) scores[column] = 0;
  for (std::int64_t column = span.last; column < tile.columns; ++column) scores[column] = 0;
}

// A row's bias by distance: element c belongs to column c.
inline const float* bias_of(const ScoreTile& tile, std::int64_t row) {
  return tile.distance_bias != nullptr ? tile.distance_bias - row : nullptr;
}

void softmax_tile(const ScoreTile& tile, float* scores, float* log_sums, std::int64_t log_stride, float* inverse) {
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    float* line = scores + row * tile.columns;
    const float* bias = bias_of(tile, row);
    Floats most = splat(-INFINITY);
    visit_scores(tile, row, [&](std::int64_t column, std::int64_t left) {
      const Floats value = score_at(tile, line, bias, column, left);
      store(line + column, value, left);
      most = maximum(most, past_the_end(value, left, -INFINITY));
    });
    const float top = largest(most);
    const float shift = top == -INFINITY ? 0.0f : top;
    Floats total{};
    visit_scores(tile, row, [&](std::int64_t column, std::int64_t left) {
      const Floats value = exponential(load(line + column, left) - shift);
      store(line + column, value, left);
      total += past_the_end(value, left, 0.0f);
    });
    clear_beyond(tile, row, line);
    const float all = sum(total);
    inverse[row] = all > 0 ? 1.0f / all : 0.0f;
    // A query that sees nothing has probability 0 everywhere.
    if (log_sums != nullptr) log_sums[row * log_stride] = all > 0 ? shift + __builtin_logf(all) : INFINITY;
  }
}

void softmax_tile_backward(const ScoreTile& tile, float* scores, float* gradient, const float* log_sums,
                           std::int64_t log_stride, const float* deltas, std::int64_t delta_stride,
                           float* to_distance_bias) {
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    float *line = scores + row * tile.columns, *slope = gradient + row * tile.columns;
    const float* bias = bias_of(tile, row);
    const float log_sum = log_sums[row * log_stride], delta = deltas[row * delta_stride];
    visit_scores(tile, row, [&](std::int64_t column, std::int64_t left) {
      const Floats p = exponential(score_at(tile, line, bias, column, left) - log_sum);
      const Floats to_score = p * (load(slope + column, left) - delta);
      store(line + column, p, left);
      store(slope + column, to_score * tile.scale, left);
      if (to_distance_bias != nullptr) {
        float* to = to_distance_bias - row + column;
        store(to, load(to, left) + to_score, left);
      }
    });
    clear_beyond(tile, row, line);
    clear_beyond(tile, row, slope);
  }
}

}  // namespace
}  // namespace dsd::cpu
