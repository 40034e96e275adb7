// The references of the decoder's blocks, in LibTorch operations, one sequence after the other.
#include <ATen/ATen.h>

#include <cmath>

#include "core/model/blocks/cache.h"
#include "core/model/blocks/decoder.h"
#include "core/model/blocks/products.h"

namespace dsd::plain {
namespace {

// [n, heads, D] turned by position.
Tensor rotated(const Tensor& x, const Tensor& cosine, const Tensor& sine) {
  const std::int64_t half = x.size(2) / 2;
  const Tensor low = x.narrow(2, 0, half), high = x.narrow(2, half, half);
  return at::cat({low * cosine - high * sine, high * cosine + low * sine}, 2);
}

// Whether the query at position p sees the key at position k, [m, n] bool.
Tensor seen(const Tensor& queries, const Tensor& keys, const AttentionReach& reach) {
  const Tensor p = queries.unsqueeze(1), k = keys.unsqueeze(0);
  Tensor mask = k <= p;
  if (reach.window > 0) mask = mask.logical_and(p - k < reach.window);
  if (reach.block > 0) {
    const Tensor near = at::floor_divide(p, reach.block) - at::floor_divide(k, reach.block) <= reach.look_back;
    mask = mask.logical_and(near.logical_or(k < reach.sinks));
  }
  return mask;
}

// What one sequence adds to its scores.
struct Additions {
  Tensor key_bias;  // [n]
  std::int64_t gap = 0;
  Tensor buckets;
};

// Positions of n keys, of which `gap` are not there any more after the sinks.
Tensor key_places(std::int64_t n, std::int64_t gap, const AttentionReach& reach, const at::TensorOptions& options) {
  const Tensor rows = at::arange(n, options);
  return gap == 0 ? rows : rows + gap * (rows >= reach.sinks).to(at::kLong);
}

// One sequence: queries [m, heads, D] at the last m of n keys [n, key_heads, D].
Tensor attend(const Tensor& queries, const Tensor& keys, const Tensor& values, const Additions& more,
              const DecoderAttentionWeights& weights, const DecoderShape& shape) {
  const std::int64_t m = queries.size(0), n = keys.size(0), group = shape.heads / shape.key_heads;
  const auto options = at::TensorOptions(at::kLong).device(queries.device());
  const Tensor k_places = key_places(n, more.gap, shape.reach, options);
  const Tensor q_places = at::arange(more.gap + n - m, more.gap + n, options);
  const Tensor q = queries.transpose(0, 1), k = keys.repeat_interleave(group, 1).transpose(0, 1),
               v = values.repeat_interleave(group, 1).transpose(0, 1);
  Tensor scores = at::matmul(q, k.transpose(1, 2)) / std::sqrt(static_cast<double>(shape.head_width));  // [heads, m, n]
  if (weights.distance_bias.master.defined()) {
    const Tensor& table = weights.distance_bias.master;
    const Tensor bias = more.buckets.defined() ? table.index_select(1, more.buckets.to(table.device())) : table;
    const Tensor distance = (q_places.unsqueeze(1) - k_places.unsqueeze(0)).clamp(0, bias.size(1) - 1);
    scores = scores + bias.index_select(1, distance.view(-1)).view({bias.size(0), m, n});
  }
  if (more.key_bias.defined()) scores = scores + more.key_bias.to(scores.scalar_type());
  const Tensor mask = seen(q_places, k_places, shape.reach);
  scores = scores.masked_fill(mask.logical_not(), -INFINITY);
  // A query that sees nothing has probability 0 everywhere.
  const Tensor blind = (scores == -INFINITY).all(-1, true);
  const Tensor p = at::softmax(scores.masked_fill(blind, 0), -1).masked_fill(blind, 0);
  return at::matmul(p, v).transpose(0, 1).reshape({m, shape.heads * shape.head_width});
}

struct Spread {
  Tensor queries, keys, values;  // [T, heads, D]
};

Spread spread(const Tensor& qkv, const DecoderRows& rows, const DecoderShape& shape) {
  const std::int64_t width = shape.heads * shape.head_width, key_width = shape.key_heads * shape.head_width;
  const auto heads = [&](std::int64_t first, std::int64_t count) {
    return qkv.narrow(1, first, count).reshape({qkv.size(0), -1, shape.head_width});
  };
  const Tensor positions = rows.positions.to(qkv.device(), at::kLong);
  const auto table = [&](const Tensor& t) {
    return t.to(qkv.device()).index_select(0, positions).unsqueeze(1).to(qkv.scalar_type());
  };
  const Tensor cosine = table(rows.rotary.cosine), sine = table(rows.rotary.sine);
  return {rotated(heads(0, width), cosine, sine), rotated(heads(width, key_width), cosine, sine),
          heads(width + key_width, key_width)};
}

// Keys and values of all sequences: the new rows alone, or behind those that a cache holds.
CachedKeys keys_of(const Spread& all, const DecoderRows& rows) {
  const auto flat = [](const Tensor& t) { return t.reshape({t.size(0), t.size(1) * t.size(2)}); };
  if (rows.cache != nullptr)
    return extend_cache(*rows.cache, rows.layer, rows.offsets, flat(all.keys), flat(all.values));
  const Tensor begins = rows.offsets.slice(0, 0, -1).contiguous();
  return {flat(all.keys), flat(all.values), begins, (rows.offsets.slice(0, 1) - begins).contiguous(),
          at::zeros_like(begins)};
}

}  // namespace

Tensor linear(const Tensor& x, const Weight& weight, const Weight& bias) {
  Tensor y;
  if (!weight.shadow.defined()) {
    y = at::linear(x, weight.master);
  } else {
    const Tensor rounded = (weight.master.defined() ? weight.master : weight.shadow).to(at::kBFloat16);
    y = x.is_cuda() ? at::linear(x.to(at::kBFloat16), rounded).to(x.scalar_type())
                    : at::linear(x.to(at::kBFloat16).to(x.scalar_type()), rounded.to(x.scalar_type()));
  }
  return bias.master.defined() ? y + bias.master : y;
}

DecoderAttentionOutput decoder_attention_block(const Tensor& x, const DecoderRows& rows,
                                               const DecoderAttentionWeights& weights, const DecoderShape& shape,
                                               bool last_rows, bool want_qkv) {
  const Tensor qkv = linear(plain::scale_norm_block(x, weights.gain, shape.epsilon), weights.qkv, weights.qkv_bias);
  const Spread all = spread(qkv, rows, shape);
  const auto* offsets = rows.offsets.const_data_ptr<std::int32_t>();
  std::vector<Tensor> contexts;
  const CachedKeys cached = keys_of(all, rows);
  const auto* begins = cached.begins.const_data_ptr<std::int32_t>();
  const auto* counts = cached.counts.const_data_ptr<std::int32_t>();
  for (std::int64_t s = 0; s + 1 < rows.offsets.size(0); ++s) {
    const std::int64_t count = offsets[s + 1] - offsets[s], asking = last_rows ? 1 : count;
    const auto held = [&](const Tensor& t) {
      return t.narrow(0, begins[s], counts[s]).reshape({counts[s], shape.key_heads, shape.head_width});
    };
    const Additions more{.key_bias = rows.key_bias.defined() ? rows.key_bias.narrow(0, offsets[s], count) : Tensor(),
                         .gap = cached.gaps.const_data_ptr<std::int32_t>()[s],
                         .buckets = rows.distance_buckets};
    contexts.push_back(attend(all.queries.narrow(0, offsets[s + 1] - asking, asking), held(cached.keys),
                              held(cached.values), more, weights, shape));
  }
  const Tensor residual = last_rows ? x.index_select(0, last_rows_of(rows.offsets).to(x.device(), at::kLong)) : x;
  return {residual + linear(at::cat(contexts), weights.out, weights.out_bias), want_qkv ? qkv : Tensor()};
}

Tensor gated_mlp_block(const Tensor& x, const GatedMlpWeights& weights, double epsilon) {
  const Tensor both = linear(plain::scale_norm_block(x, weights.gain, epsilon), weights.gate_up, weights.gate_up_bias);
  const std::int64_t width = both.size(1) / 2;
  const Tensor inner = at::silu(both.narrow(1, 0, width)) * both.narrow(1, width, width);
  return x + linear(inner, weights.down, weights.down_bias);
}

Tensor scale_norm_block(const Tensor& x, const Weight& gain, double epsilon) {
  return x * at::rsqrt((x * x).mean(-1, true) + epsilon) * gain.master;
}

}  // namespace dsd::plain
