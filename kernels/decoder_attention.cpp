#include "kernels/decoder_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/parallel.h"

namespace dsd {
namespace {

constexpr std::int64_t kTile = 64;  // queries

// A tile's queries and the keys that it reads: the sinks, then a run of keys that ends with the tile's own.
struct Tile {
  std::int64_t first_query, queries;  // rows of the packed queries
  std::int64_t position;              // of the first query among its sequence's keys
  std::int64_t sinks, first_key;      // positions
  std::int64_t columns() const { return sinks + position + queries - first_key; }
};

// One sequence as a task sees it.
struct Sequence {
  std::int64_t first_query, queries, first_key, keys, gap;
  std::int64_t position(std::int64_t query) const { return gap + keys - queries + query; }
};

Sequence sequence_of(const DecoderAttention& input, std::int64_t s) {
  const auto* offsets = input.query_offsets.const_data_ptr<std::int32_t>();
  return {offsets[s], offsets[s + 1] - offsets[s], input.key_begins.const_data_ptr<std::int32_t>()[s],
          input.key_counts.const_data_ptr<std::int32_t>()[s],
          input.key_gaps.defined() ? input.key_gaps.const_data_ptr<std::int32_t>()[s] : 0};
}

// Rows of a tile share their block, so that one run of keys serves them all.
std::vector<Tile> tiles_of(const Sequence& sequence, const AttentionReach& reach) {
  std::vector<Tile> tiles;
  for (std::int64_t query = 0; query < sequence.queries;) {
    const std::int64_t position = sequence.position(query);
    std::int64_t end = (position / kTile + 1) * kTile;
    if (reach.block > 0) end = std::min(end, (position / reach.block + 1) * reach.block);
    Tile tile{sequence.first_query + query, std::min(end - position, sequence.queries - query), position, 0, 0};
    if (reach.window > 0) tile.first_key = std::max<std::int64_t>(0, position - reach.window + 1);
    if (reach.block > 0) {
      tile.first_key = std::max<std::int64_t>(0, position / reach.block - reach.look_back) * reach.block;
      tile.sinks = std::min(reach.sinks, tile.first_key);
    }
    query += tile.queries;
    tiles.push_back(tile);
  }
  return tiles;
}

// What every task of a call shares.
struct Plan {
  std::int64_t width = 0, group = 0;  // of a head; queries' heads to one of keys
  float scale = 1;
  std::int64_t longest = 0;        // columns of the widest tile
  std::int64_t distances = 0;      // most keys of a sequence, where there is a bias
  std::vector<float> bias;         // [heads, distances], farthest first
  std::vector<std::int64_t> cuts;  // of the tasks, [parts + 1]
  std::int64_t parts() const { return std::ssize(cuts) - 1; }
};

// Cuts `heads` tasks for each sequence into parts of about equal work.
void cut_tasks(const DecoderAttention& input, std::int64_t heads, Plan& plan) {
  const std::int64_t sequences = input.key_begins.size(0);
  std::vector<double> before{0};
  for (std::int64_t s = 0; s < sequences; ++s) {
    double work = 0;
    for (const Tile& tile : tiles_of(sequence_of(input, s), input.reach)) {
      plan.longest = std::max(plan.longest, tile.columns());
      work += static_cast<double>(tile.queries * tile.columns());
    }
    for (std::int64_t head = 0; head < heads; ++head) before.push_back(before.back() + work);
  }
  const std::int64_t tasks = sequences * heads;
  const auto most = static_cast<std::int64_t>(before.back() * static_cast<double>(plan.width) / 65536);
  const std::int64_t parts = std::clamp<std::int64_t>(std::min(most, tasks), 1, at::get_num_threads());
  plan.cuts.push_back(0);
  for (std::int64_t part = 1; part < parts; ++part) {
    const double wanted = before.back() * static_cast<double>(part) / static_cast<double>(parts);
    const std::int64_t cut = std::ranges::lower_bound(before, wanted) - before.begin();
    plan.cuts.push_back(std::clamp(cut, plan.cuts.back(), tasks));
  }
  plan.cuts.push_back(tasks);
}

Plan make_plan(const DecoderAttention& input, std::int64_t heads) {
  Plan plan;
  plan.width = input.queries.size(1) / input.heads;
  plan.group = input.heads / input.key_heads;
  plan.scale = input.scale > 0 ? static_cast<float>(input.scale) : 1.0f / std::sqrt(static_cast<float>(plan.width));
  cut_tasks(input, heads, plan);
  if (!input.distance_bias.defined()) return plan;
  TORCH_CHECK(input.reach.sinks == 0, "attention takes a bias by distance or sinks, not both");
  for (std::int64_t s = 0; s < input.key_begins.size(0); ++s) {
    const Sequence sequence = sequence_of(input, s);
    plan.distances = std::max(plan.distances, sequence.gap + sequence.keys);
  }
  const std::int64_t known = input.distance_bias.size(1);
  const auto* bias = input.distance_bias.const_data_ptr<float>();
  for (std::int64_t head = 0; head < input.heads; ++head)
    for (std::int64_t distance = plan.distances - 1; distance >= 0; --distance)
      plan.bias.push_back(bias[head * known + std::min(distance, known - 1)]);
  return plan;
}

// Where head `head` of the bias stands for column 0 of a tile's row 0.
std::int64_t bias_place(const Plan& plan, const Tile& tile, std::int64_t head) {
  return head * plan.distances + plan.distances - 1 - tile.position + tile.first_key;
}

cpu::ScoreTile score_tile(const DecoderAttention& input, const Plan& plan, const Sequence& sequence, const Tile& tile,
                          std::int64_t head, std::vector<float>& key_bias) {
  cpu::ScoreTile scores{.rows = tile.queries,
                        .columns = tile.columns(),
                        .sinks = tile.sinks,
                        .last = tile.sinks + tile.position + 1 - tile.first_key,
                        .window = input.reach.window,
                        .scale = plan.scale};
  if (!plan.bias.empty()) scores.distance_bias = plan.bias.data() + bias_place(plan, tile, head);
  if (input.key_bias.defined()) {
    const float* all = input.key_bias.const_data_ptr<float>() + sequence.first_key;
    key_bias.assign(all, all + tile.sinks);
    const float* held = all - sequence.gap;
    key_bias.insert(key_bias.end(), held + tile.first_key, held + tile.position + tile.queries);
    scores.key_bias = key_bias.data();
  }
  return scores;
}

// The two runs of keys of a tile: (row of keys, columns of the tile, first column).
template <class Body>
void each_run(const Sequence& sequence, const Tile& tile, Body body) {
  if (tile.sinks > 0) body(sequence.first_key, tile.sinks, std::int64_t{0});
  body(sequence.first_key + tile.first_key - sequence.gap, tile.columns() - tile.sinks, tile.sinks);
}

// Products of a tile's rows of `left` [., D] with the keys' (or values') rows: out [queries, columns].
void products(const Plan& plan, const Sequence& sequence, const Tile& tile, const float* left, std::int64_t left_stride,
              const float* right, std::int64_t right_stride, float* out) {
  each_run(sequence, tile, [&](std::int64_t row, std::int64_t count, std::int64_t column) {
    gemm_piece(tile.queries, count, plan.width, {left, left_stride}, {right + row * right_stride, right_stride, true},
               out + column, tile.columns(), false);
  });
}

template <class Body>
void run(const Plan& plan, Body body) {
  in_parts(plan.parts(), plan.parts(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    for (std::int64_t part = begin; part < end; ++part)
      body(plan.cuts[static_cast<std::size_t>(part)], plan.cuts[static_cast<std::size_t>(part + 1)], part);
  });
}

void check(const DecoderAttention& input) {
  TORCH_CHECK(input.heads > 0 && input.key_heads > 0 && input.heads % input.key_heads == 0,
              "a group of query heads shares one head of keys");
  TORCH_CHECK(input.keys.stride(0) == input.values.stride(0) && input.queries.stride(1) == 1 &&
                  input.keys.stride(1) == 1 && input.values.stride(1) == 1,
              "attention's operands have unit stride between columns");
}

void round_rows(const cpu::Functions& functions, const at::Tensor& from, const at::Tensor& to) {
  at::parallel_for(0, from.size(0), 64, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t width = from.size(1);
    functions.round_to_bf16(from.const_data_ptr<float>() + begin * width, bf16_pointer(to) + begin * width,
                            (end - begin) * width);
  });
}

}  // namespace

at::Tensor attend(const DecoderAttention& input, at::Tensor* log_sums, at::ScalarType type,
                  const cpu::Functions& functions) {
  check(input);
  const Plan plan = make_plan(input, input.heads);
  at::Tensor out = at::empty({input.queries.size(0), input.queries.size(1)}, at::kFloat);
  if (log_sums != nullptr) *log_sums = at::empty({input.queries.size(0), input.heads}, at::kFloat);
  float* sums = log_sums != nullptr ? log_sums->mutable_data_ptr<float>() : nullptr;
  const std::int64_t q_stride = input.queries.stride(0), k_stride = input.keys.stride(0), out_stride = out.stride(0);
  run(plan, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    std::vector<float> scores(static_cast<std::size_t>(kTile * plan.longest)), key_bias;
    float inverse[kTile];
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t head = task % input.heads, key_column = head / plan.group * plan.width;
      const Sequence sequence = sequence_of(input, task / input.heads);
      const float* keys = input.keys.const_data_ptr<float>() + key_column;
      const float* values = input.values.const_data_ptr<float>() + key_column;
      for (const Tile& tile : tiles_of(sequence, input.reach)) {
        const float* queries = input.queries.const_data_ptr<float>() + tile.first_query * q_stride + head * plan.width;
        products(plan, sequence, tile, queries, q_stride, keys, k_stride, scores.data());
        functions.softmax_tile(score_tile(input, plan, sequence, tile, head, key_bias), scores.data(),
                               sums != nullptr ? sums + tile.first_query * input.heads + head : nullptr, input.heads,
                               inverse);
        float* to = out.mutable_data_ptr<float>() + tile.first_query * out_stride + head * plan.width;
        bool adds = false;
        each_run(sequence, tile, [&](std::int64_t row, std::int64_t count, std::int64_t column) {
          gemm_piece(tile.queries, plan.width, count, {scores.data() + column, tile.columns()},
                     {values + row * k_stride, k_stride}, to, out_stride, adds);
          adds = true;
        });
        for (std::int64_t row = 0; row < tile.queries; ++row)
          for (std::int64_t column = 0; column < plan.width; ++column) to[row * out_stride + column] *= inverse[row];
      }
    }
  });
  if (type == at::kFloat) return out;
  at::Tensor rounded = at::empty_like(out, type);
  round_rows(functions, out, rounded);
  return rounded;
}

void attend_backward(const at::Tensor& gradient, const at::Tensor& output, const DecoderAttention& input,
                     const at::Tensor& log_sums, const DecoderAttentionGradients& gradients,
                     const cpu::Functions& functions) {
  check(input);
  const Plan plan = make_plan(input, input.key_heads);
  const at::Tensor deltas =
      (gradient * output).view({gradient.size(0), input.heads, plan.width}).sum(-1).contiguous();  // [Q, heads]
  const bool wants_bias = gradients.distance_bias.defined();
  PartSums bias_sums(plan.parts(), wants_bias ? input.heads * plan.distances : 1);
  gradients.keys.zero_();
  gradients.values.zero_();
  const std::int64_t q_stride = input.queries.stride(0), k_stride = input.keys.stride(0);
  const std::int64_t dq_stride = gradients.queries.stride(0), dk_stride = gradients.keys.stride(0);
  const std::int64_t g_stride = gradient.stride(0), dv_stride = gradients.values.stride(0);
  run(plan, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    std::vector<float> scores(static_cast<std::size_t>(kTile * plan.longest)), slopes(scores.size()), key_bias;
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t key_head = task % input.key_heads, key_column = key_head * plan.width;
      const Sequence sequence = sequence_of(input, task / input.key_heads);
      const float* keys = input.keys.const_data_ptr<float>() + key_column;
      const float* values = input.values.const_data_ptr<float>() + key_column;
      float* to_keys = gradients.keys.mutable_data_ptr<float>() + key_column;
      float* to_values = gradients.values.mutable_data_ptr<float>() + key_column;
      for (std::int64_t head = key_head * plan.group; head < (key_head + 1) * plan.group; ++head) {
        for (const Tile& tile : tiles_of(sequence, input.reach)) {
          const std::int64_t column = head * plan.width;
          const float* queries = input.queries.const_data_ptr<float>() + tile.first_query * q_stride + column;
          const float* from = gradient.const_data_ptr<float>() + tile.first_query * g_stride + column;
          products(plan, sequence, tile, queries, q_stride, keys, k_stride, scores.data());
          products(plan, sequence, tile, from, g_stride, values, k_stride, slopes.data());
          const std::int64_t place = tile.first_query * input.heads + head;
          functions.softmax_tile_backward(score_tile(input, plan, sequence, tile, head, key_bias), scores.data(),
                                          slopes.data(), log_sums.const_data_ptr<float>() + place, input.heads,
                                          deltas.const_data_ptr<float>() + place, input.heads,
                                          wants_bias ? bias_sums.of(part) + bias_place(plan, tile, head) : nullptr);
          float* to_queries = gradients.queries.mutable_data_ptr<float>() + tile.first_query * dq_stride + column;
          bool adds = false;
          each_run(sequence, tile, [&](std::int64_t row, std::int64_t count, std::int64_t at) {
            gemm_piece(tile.queries, plan.width, count, {slopes.data() + at, tile.columns()},
                       {keys + row * k_stride, k_stride}, to_queries, dq_stride, adds);
            gemm_piece(count, plan.width, tile.queries, {slopes.data() + at, tile.columns(), true}, {queries, q_stride},
                       to_keys + row * dk_stride, dk_stride, true);
            gemm_piece(count, plan.width, tile.queries, {scores.data() + at, tile.columns(), true}, {from, g_stride},
                       to_values + row * dv_stride, dv_stride, true);
            adds = true;
          });
        }
      }
    }
  });
  if (!wants_bias) return;
  const std::int64_t known = input.distance_bias.size(1);
  const at::Tensor reversed = at::zeros({input.heads, plan.distances}, at::kFloat);
  bias_sums.fold(0, input.heads * plan.distances, reversed);
  const auto* by_column = reversed.const_data_ptr<float>();
  auto* to = gradients.distance_bias.mutable_data_ptr<float>();
  for (std::int64_t head = 0; head < input.heads; ++head)
    for (std::int64_t distance = 0; distance < plan.distances; ++distance)
      to[head * known + std::min(distance, known - 1)] +=
          by_column[head * plan.distances + plan.distances - 1 - distance];
}

}  // namespace dsd
