// The references of the decoder's blocks, in LibTorch operations, one sequence after the other.
#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"
#include "core/model/blocks/decoder.h"

namespace dsd::plain {
namespace {

// y [N, M] = x [N, K] w^T + b. With a shadow, both operands are rounded to bf16 and the sum is kept in fp32.
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

// [n, heads, D] turned by position.
Tensor rotated(const Tensor& x, const Tensor& cosine, const Tensor& sine) {
  const std::int64_t half = x.size(2) / 2;
  const Tensor low = x.narrow(2, 0, half), high = x.narrow(2, half, half);
  return at::cat({low * cosine - high * sine, high * cosine + low * sine}, 2);
}

// Whether the query at position p sees the key at position k, [m, n] bool.
Tensor seen(const Tensor& queries, const Tensor& keys, const Reach& reach) {
  const Tensor p = queries.unsqueeze(1), k = keys.unsqueeze(0);
  Tensor mask = k <= p;
  if (reach.window > 0) mask = mask.logical_and(p - k < reach.window);
  if (reach.block > 0) {
    const Tensor near = at::floor_divide(p, reach.block) - at::floor_divide(k, reach.block) <= reach.look_back;
    mask = mask.logical_and(near.logical_or(k < reach.sinks));
  }
  return mask;
}

// One sequence: queries [m, heads, D] at the last m of n keys [n, key_heads, D].
Tensor attend(const Tensor& queries, const Tensor& keys, const Tensor& values, const Tensor& key_bias,
              const DecoderAttentionWeights& weights, const DecoderShape& shape) {
  const std::int64_t m = queries.size(0), n = keys.size(0), group = shape.heads / shape.key_heads;
  const auto options = at::TensorOptions(at::kLong).device(queries.device());
  const Tensor k_places = at::arange(n, options), q_places = at::arange(n - m, n, options);
  const Tensor q = queries.transpose(0, 1), k = keys.repeat_interleave(group, 1).transpose(0, 1),
               v = values.repeat_interleave(group, 1).transpose(0, 1);
  Tensor scores = at::matmul(q, k.transpose(1, 2)) / std::sqrt(static_cast<double>(shape.head_width));  // [heads, m, n]
  if (weights.distance_bias.master.defined()) {
    const Tensor& bias = weights.distance_bias.master;
    const Tensor distance = (q_places.unsqueeze(1) - k_places.unsqueeze(0)).clamp(0, bias.size(1) - 1);
    scores = scores + bias.index_select(1, distance.view(-1)).view({bias.size(0), m, n});
  }
  if (key_bias.defined()) scores = scores + key_bias.to(scores.scalar_type());
  const Tensor mask = seen(q_places, k_places, shape.reach);
  scores = scores.masked_fill(mask.logical_not(), -INFINITY);
  // A query that sees nothing has probability 0 everywhere.
  const Tensor blind = (scores == -INFINITY).all(-1, true);
  const Tensor p = at::softmax(scores.masked_fill(blind, 0), -1).masked_fill(blind, 0);
  return at::matmul(p, v).transpose(0, 1).reshape({m, -1});
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

// Keys (or values) of a sequence: those that the cache holds, then its own rows, which the cache takes over.
Tensor with_cached(const Tensor& own, std::int64_t sequence, const KvCache* cache, const Tensor& buffer) {
  if (cache == nullptr) return own;
  const std::int64_t before = cache->counts[static_cast<std::size_t>(sequence)], first = sequence * cache->capacity;
  if (before + own.size(0) > cache->capacity)
    fail("the cache holds {} tokens of a sequence, but {} are needed", cache->capacity, before + own.size(0));
  buffer.narrow(0, first + before, own.size(0)).copy_(own.reshape({own.size(0), -1}));
  return buffer.narrow(0, first, before + own.size(0)).view({before + own.size(0), own.size(1), own.size(2)});
}

}  // namespace

DecoderAttentionOutput decoder_attention_block(const Tensor& x, const DecoderRows& rows,
                                               const DecoderAttentionWeights& weights, const DecoderShape& shape,
                                               bool last_rows, bool want_qkv) {
  const Tensor qkv = linear(plain::scale_norm_block(x, weights.gain, shape.epsilon), weights.qkv, weights.qkv_bias);
  const Spread all = spread(qkv, rows, shape);
  const auto* offsets = rows.offsets.const_data_ptr<std::int32_t>();
  std::vector<Tensor> contexts;
  const KvCache::Layer cached =
      rows.cache != nullptr ? rows.cache->layers[static_cast<std::size_t>(rows.layer)] : KvCache::Layer{};
  for (std::int64_t s = 0; s + 1 < rows.offsets.size(0); ++s) {
    const std::int64_t count = offsets[s + 1] - offsets[s], asking = last_rows ? 1 : count;
    const Tensor keys = with_cached(all.keys.narrow(0, offsets[s], count), s, rows.cache, cached.keys);
    const Tensor values = with_cached(all.values.narrow(0, offsets[s], count), s, rows.cache, cached.values);
    const Tensor bias = rows.key_bias.defined() ? rows.key_bias.narrow(0, offsets[s], count) : Tensor();
    contexts.push_back(
        attend(all.queries.narrow(0, offsets[s + 1] - asking, asking), keys, values, bias, weights, shape));
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
