// Attention inside packed sequences, one head of one sequence at a time, over blocks of queries: any length, and
// scratch that grows with the length alone. Backward makes the probabilities again from the saved logarithm of their
// sum.
#include "kernels/cpu/functions.h"
#include "kernels/cpu/multiply.h"
#include "kernels/cpu/random.h"
#include "kernels/cpu/vector.h"

namespace dsd::cpu {
namespace {

constexpr std::int64_t kQueryBlock = 64;

inline std::int64_t padded(std::int64_t count) { return (count + 15) / 16 * 16; }

// One head of one sequence.
struct HeadTask {
  std::int64_t sequence, head, first, length, padded_length, first_query, queries, width, padded_width;
};

inline HeadTask head_task(const Attention& work, std::int64_t task) {
  const std::int64_t s = task / work.heads, first = work.offsets[s], length = work.offsets[s + 1] - first;
  return {s,
          task % work.heads,
          first,
          length,
          padded(length),
          work.query_offsets[s],
          work.query_offsets[s + 1] - work.query_offsets[s],
          work.head_width,
          padded(work.head_width)};
}

inline const float* bias_of(const Attention& work, const HeadTask& task, int part) {
  return work.bias != nullptr ? work.bias + (part * work.heads + task.head) * work.head_width : nullptr;
}

// to [rows, padded_width] = (from + bias) * scale, padded by zeros.
void copy_rows(const float* from, std::int64_t stride, const float* bias, float scale, std::int64_t rows,
               const HeadTask& task, float* to) {
  for (std::int64_t row = 0; row < rows; ++row, from += stride, to += task.padded_width) {
    for (std::int64_t column = 0; column < task.padded_width; column += kLanes) {
      const std::int64_t left = task.width - column;
      Floats value = left > 0 ? load(from + column, left) : Floats{};
      if (bias != nullptr && left > 0) value += load(bias + column, left);
      store(to + column, value * scale);
    }
  }
}

// to [width, padded_length] = transpose of from [length, width] + bias, padded by zeros.
void copy_transposed(const float* from, std::int64_t stride, const float* bias, const HeadTask& task, float* to) {
  for (std::int64_t column = 0; column < task.width; column += kLanes) {
    const std::int64_t left = task.width - column;
    const Floats shift = bias != nullptr ? load(bias + column, left) : Floats{};
    for (std::int64_t row = 0; row < task.padded_length; row += kLanes) {
      Floats square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        square[i] = row + i < task.length ? load(from + (row + i) * stride + column, left) + shift : Floats{};
      }
      transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        if (i < left) store(to + (column + i) * task.padded_length + row, square[i]);
      }
    }
  }
}

inline Floats only_keys(Floats value, std::int64_t left, float otherwise) {
  if (left >= kLanes) return value;
  return reinterpret_cast<Ints>(lane_numbers()) < static_cast<std::int32_t>(left) ? value : splat(otherwise);
}

// One row of scores becomes exp(score - largest); returns the sum and sets `most`.
inline float exponentials(float* scores, const HeadTask& task, float& most) {
  Floats highest = splat(-3.0e38f);
  for (std::int64_t j = 0; j < task.padded_length; j += kLanes) {
    highest = maximum(highest, only_keys(load(scores + j), task.length - j, -3.0e38f));
  }
  most = largest(highest);
  Floats total{};
  for (std::int64_t j = 0; j < task.padded_length; j += kLanes) {
    const Floats value = only_keys(exponential(load(scores + j) - most), task.length - j, 0.0f);
    total += value;
    store(scores + j, value);
  }
  return sum(total);
}

// Calls visit(row, key, factor) for each vector of keys of `rows` queries from the block's first on.
template <class Visit>
inline void visit_dropout(const Attention& work, const HeadTask& task, std::int64_t block, std::int64_t rows,
                          Visit visit) {
  const auto place = splat_words(static_cast<std::uint32_t>(work.places[task.first]));
  const auto stream = splat_words(static_cast<std::uint32_t>(task.head + 1));
  for (std::int64_t j = 0; j < task.padded_length; j += kLanes) {
    std::int64_t group = -1;
    PhiloxWords words{};
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t query = task.first_query + block + row;
      const std::int64_t index = (work.query_rows != nullptr ? work.query_rows[query] : query) - task.first;
      if (index / 8 != group) {
        group = index / 8;
        words = philox(place, splat_words(static_cast<std::uint32_t>(group)),
                       lane_numbers() + static_cast<std::uint32_t>(j), stream, work.dropout.key);
      }
      visit(row, j, dropout_factor(words, static_cast<int>(index % 8), work.dropout));
    }
  }
}

template <class T>
void store_scaled(const float* from, const HeadTask& task, std::int64_t rows, float scale, T* to, std::int64_t stride) {
  for (std::int64_t row = 0; row < rows; ++row, from += task.padded_width, to += stride) {
    for (std::int64_t column = 0; column < task.width; column += kLanes) {
      store(to + column, load(from + column) * scale, task.width - column);
    }
  }
}

void forward_block(const AttentionForward& work, const HeadTask& task, std::int64_t block, const float* keys,
                   const float* values, float* scratch) {
  const Attention& shared = work.attention;
  const std::int64_t rows = task.queries - block < kQueryBlock ? task.queries - block : kQueryBlock;
  const std::int64_t first = task.first_query + block, hidden = shared.heads * task.width;
  float *queries = scratch, *out = queries + kQueryBlock * task.padded_width,
        *scores = out + kQueryBlock * task.padded_width;
  float factors[kQueryBlock];
  copy_rows(shared.queries + first * shared.query_stride + task.head * task.width, shared.query_stride,
            bias_of(shared, task, 0), shared.scale, rows, task, queries);
  multiply<false>({queries, task.padded_width, 1}, keys, task.padded_length, task.width, scores, task.padded_length,
                  rows, task.padded_length);
  for (std::int64_t row = 0; row < rows; ++row) {
    float most = 0;
    factors[row] = 1.0f / exponentials(scores + row * task.padded_length, task, most);
    if (shared.softmax != nullptr) {
      float* saved = shared.softmax + 2 * ((first + row) * shared.heads + task.head);
      saved[0] = most;
      saved[1] = factors[row];
    }
  }
  if (shared.dropout.threshold > 0) {
    visit_dropout(shared, task, block, rows, [&](std::int64_t row, std::int64_t j, Floats factor) {
      float* score = scores + row * task.padded_length + j;
      store(score, load(score) * factor);
    });
  }
  multiply<false>({scores, task.padded_length, 1}, values, task.padded_width, task.length, out, task.padded_width, rows,
                  task.padded_width);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t at = (first + row) * hidden + task.head * task.width;
    const float* from = out + row * task.padded_width;
    if (work.out_bf16 != nullptr) {
      store_scaled(from, task, 1, factors[row], work.out_bf16 + at, hidden);
    } else {
      store_scaled(from, task, 1, factors[row], work.out + at, hidden);
    }
  }
}

void attention_forward(const AttentionForward& work, float* scratch, std::int64_t begin, std::int64_t end) {
  const Attention& shared = work.attention;
  for (std::int64_t number = begin; number < end; ++number) {
    const HeadTask task = head_task(shared, number);
    const std::int64_t at = task.first * shared.key_stride + task.head * task.width;
    float *keys = scratch, *values = keys + task.padded_width * task.padded_length;
    float* rest = values + task.padded_length * task.padded_width;
    copy_transposed(shared.keys + at, shared.key_stride, bias_of(shared, task, 1), task, keys);
    copy_rows(shared.values + at, shared.key_stride, bias_of(shared, task, 2), 1.0f, task.length, task, values);
    for (std::int64_t block = 0; block < task.queries; block += kQueryBlock) {
      forward_block(work, task, block, keys, values, rest);
    }
  }
}

// Writes one operand's gradient and adds its columns to the bias's.
void write_gradient(const float* tile, const HeadTask& task, std::int64_t rows, float scale, float* to,
                    std::uint16_t* to_bf16, std::int64_t at, std::int64_t stride, float* sums) {
  if (to_bf16 != nullptr) {
    store_scaled(tile, task, rows, scale, to_bf16 + at, stride);
  } else {
    store_scaled(tile, task, rows, scale, to + at, stride);
  }
  for (std::int64_t column = 0; column < task.width; column += kLanes) {
    Floats total{};
    for (std::int64_t row = 0; row < rows; ++row) total += load(tile + row * task.padded_width + column);
    const std::int64_t left = task.width - column;
    store(sums + column, fma(total, splat(scale), load(sums + column, left)), left);
  }
}

// What a head's backward keeps for all its blocks of queries, in scratch.
struct BackwardTiles {
  float *keys_transposed, *values_transposed, *keys, *to_keys, *to_values, *rest;
};

// scores -> probabilities; differences (d loss / d dropped probability) -> d loss / d score; kept: after dropout.
void score_gradients(const Attention& work, const HeadTask& task, std::int64_t block, std::int64_t rows, float* scores,
                     float* differences, float* kept) {
  const std::int64_t length = task.padded_length;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* saved = work.softmax + 2 * ((task.first_query + block + row) * work.heads + task.head);
    for (std::int64_t j = 0; j < length; j += kLanes) {
      float* score = scores + row * length + j;
      store(score, only_keys(exponential(load(score) - saved[0]) * saved[1], task.length - j, 0.0f));
    }
  }
  if (kept != scores) {
    visit_dropout(work, task, block, rows, [&](std::int64_t row, std::int64_t j, Floats factor) {
      const std::int64_t at = row * length + j;
      store(kept + at, load(scores + at) * factor);
      store(differences + at, load(differences + at) * factor);
    });
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* probability = scores + row * length;
    float* difference = differences + row * length;
    Floats expected{};
    for (std::int64_t j = 0; j < length; j += kLanes)
      expected = fma(load(probability + j), load(difference + j), expected);
    const float mean = sum(expected);
    for (std::int64_t j = 0; j < length; j += kLanes) {
      store(difference + j, load(probability + j) * (load(difference + j) - mean));
    }
  }
}

void backward_block(const AttentionBackward& work, const HeadTask& task, std::int64_t block, const BackwardTiles& tiles,
                    float* sums) {
  const Attention& shared = work.attention;
  const std::int64_t rows = task.queries - block < kQueryBlock ? task.queries - block : kQueryBlock;
  const std::int64_t first = task.first_query + block, hidden = shared.heads * task.width;
  const std::int64_t width = task.padded_width, length = task.padded_length;
  float *queries = tiles.rest, *gradient = queries + kQueryBlock * width, *to_queries = gradient + kQueryBlock * width;
  float *scores = to_queries + kQueryBlock * width, *differences = scores + kQueryBlock * length;
  float* kept = shared.dropout.threshold > 0 ? differences + kQueryBlock * length : scores;

  copy_rows(shared.queries + first * shared.query_stride + task.head * task.width, shared.query_stride,
            bias_of(shared, task, 0), shared.scale, rows, task, queries);
  copy_rows(work.gradient + first * hidden + task.head * task.width, hidden, nullptr, 1.0f, rows, task, gradient);
  multiply<false>({queries, width, 1}, tiles.keys_transposed, length, task.width, scores, length, rows, length);
  multiply<false>({gradient, width, 1}, tiles.values_transposed, length, task.width, differences, length, rows, length);
  score_gradients(shared, task, block, rows, scores, differences, kept);

  multiply<true>({kept, 1, length}, gradient, width, rows, tiles.to_values, width, task.length, width);
  multiply<true>({differences, 1, length}, queries, width, rows, tiles.to_keys, width, task.length, width);
  multiply<false>({differences, length, 1}, tiles.keys, width, task.length, to_queries, width, rows, width);
  write_gradient(to_queries, task, rows, shared.scale, work.to_queries, work.to_queries_bf16,
                 first * shared.query_stride + task.head * task.width, shared.query_stride,
                 sums + task.head * task.width);
}

void attention_backward(const AttentionBackward& work, float* sums, float* scratch, std::int64_t begin,
                        std::int64_t end) {
  const Attention& shared = work.attention;
  const std::int64_t hidden = shared.heads * shared.head_width;
  for (std::int64_t number = begin; number < end; ++number) {
    const HeadTask task = head_task(shared, number);
    const std::int64_t size = task.padded_length * task.padded_width;
    const BackwardTiles tiles{
        scratch, scratch + size, scratch + 2 * size, scratch + 3 * size, scratch + 4 * size, scratch + 5 * size};
    const std::int64_t at = task.first * shared.key_stride + task.head * task.width;
    copy_transposed(shared.keys + at, shared.key_stride, bias_of(shared, task, 1), task, tiles.keys_transposed);
    copy_transposed(shared.values + at, shared.key_stride, bias_of(shared, task, 2), task, tiles.values_transposed);
    copy_rows(shared.keys + at, shared.key_stride, bias_of(shared, task, 1), 1.0f, task.length, task, tiles.keys);
    __builtin_memset(tiles.to_keys, 0, sizeof(float) * static_cast<std::size_t>(2 * size));
    for (std::int64_t block = 0; block < task.queries; block += kQueryBlock)
      backward_block(work, task, block, tiles, sums);
    float* column = sums + task.head * task.width;
    write_gradient(tiles.to_keys, task, task.length, 1.0f, work.to_keys, work.to_keys_bf16, at, shared.key_stride,
                   column + hidden);
    write_gradient(tiles.to_values, task, task.length, 1.0f, work.to_values, work.to_values_bf16, at, shared.key_stride,
                   column + 2 * hidden);
  }
}

}  // namespace

}  // namespace dsd::cpu
