// The fused blocks of a decoder.
#include "core/model/blocks/decoder.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/model/blocks/cache.h"
#include "core/model/blocks/gradients.h"
#include "core/model/blocks/node.h"
#include "core/model/blocks/products.h"
#include "kernels/gemm.h"

namespace dsd {
namespace {

struct AttentionState {
  NormBefore norm;
  Tensor projected;  // [T, (heads + 2 key_heads) D], rotated; without queries where they stand apart
  Tensor context;    // [Q, heads D] in the dtype of the products
  Tensor output;     // the same in fp32
  Tensor log_sums;
  Tensor query_rows;  // [S] int64 where queries are made for the last rows alone
  DecoderAttention input;
  DecoderShape shape;
  DecoderRows rows;
};

class DecoderAttentionNode : public FusedNode {
 public:
  DecoderAttentionNode(const DecoderAttentionWeights& weights, AttentionState state)
      : weights_(weights), state_(std::move(state)) {}

 protected:
  Tensor backward(torch::autograd::variable_list& gradients, bool wants_input) override {
    const at::NoGradGuard no_grad;
    const Tensor d_hidden = gradients[0].contiguous();
    const Tensor d_context = product_backward(d_hidden, state_.context, weights_.out, weights_.out_bias);
    const Tensor normal = state_.norm.rows(weights_.gain, matrix_of(weights_.qkv).scalar_type());
    const Tensor d_normal =
        state_.query_rows.defined() ? last_rows_backward(d_context, normal) : all_rows_backward(d_context, normal);
    // The residual's share.
    Tensor d_x = state_.query_rows.defined() ? at::zeros_like(state_.norm.x).index_add_(0, state_.query_rows, d_hidden)
                                             : d_hidden.clone();
    state_.norm.backward(d_normal, weights_.gain, d_x);
    return wants_input ? d_x : Tensor();
  }

  void release() override { state_ = {}; }

 private:
  void attention_gradients(const Tensor& d_context, const Tensor& d_queries, const Tensor& d_keys,
                           const Tensor& d_values) {
    const Weight& bias = weights_.distance_bias;
    const Tensor& buckets = state_.rows.distance_buckets;
    Tensor d_bias = bias.master.defined() ? gradient_or_none(bias) : Tensor();
    const Tensor table = d_bias;
    if (d_bias.defined() && buckets.defined()) d_bias = at::zeros_like(state_.input.distance_bias);
    attend_backward(d_context, state_.output, state_.input, state_.log_sums, {d_queries, d_keys, d_values, d_bias});
    if (table.defined() && buckets.defined()) table.index_add_(1, buckets, d_bias);
  }

  Tensor all_rows_backward(const Tensor& d_context, const Tensor& normal) {
    const std::int64_t width = state_.shape.heads * state_.shape.head_width;
    const std::int64_t key_width = state_.shape.key_heads * state_.shape.head_width;
    const Tensor d_qkv = at::empty_like(state_.projected);
    const Tensor d_queries = d_qkv.narrow(1, 0, width), d_keys = d_qkv.narrow(1, width, key_width);
    attention_gradients(d_context, d_queries, d_keys, d_qkv.narrow(1, width + key_width, key_width));
    rotate(d_qkv.narrow(1, 0, width + key_width), state_.shape.heads + state_.shape.key_heads, state_.rows.positions,
           state_.rows.rotary, true);
    return product_backward(d_qkv, normal, weights_.qkv, weights_.qkv_bias);
  }

  Tensor last_rows_backward(const Tensor& d_context, const Tensor& normal) {
    const std::int64_t width = state_.shape.heads * state_.shape.head_width;
    const std::int64_t key_width = state_.shape.key_heads * state_.shape.head_width;
    const Tensor d_queries = at::empty_like(state_.input.queries), d_kv = at::empty_like(state_.projected);
    const Tensor d_keys = d_kv.narrow(1, 0, key_width);
    attention_gradients(d_context, d_queries, d_keys, d_kv.narrow(1, key_width, key_width));
    const Tensor positions = state_.rows.positions.index_select(0, state_.query_rows);
    rotate(d_queries, state_.shape.heads, positions, state_.rows.rotary, true);
    rotate(d_keys, state_.shape.key_heads, state_.rows.positions, state_.rows.rotary, true);
    const Tensor asking = normal.index_select(0, state_.query_rows);
    const Tensor d_q = operand(d_queries, weights_.qkv), d_k = operand(d_kv, weights_.qkv);
    if (weights_.qkv.master.requires_grad()) {
      const Tensor d_weight = dense_gradient(weights_.qkv);
      gemm(d_q.t(), asking, d_weight.narrow(0, 0, width), true);
      gemm(d_k.t(), normal, d_weight.narrow(0, width, 2 * key_width), true);
    }
    if (weights_.qkv_bias.master.defined() && weights_.qkv_bias.master.requires_grad()) {
      const Tensor d_bias = dense_gradient(weights_.qkv_bias);
      d_bias.narrow(0, 0, width).add_(d_queries.sum(0));
      d_bias.narrow(0, width, 2 * key_width).add_(d_kv.sum(0));
    }
    const Tensor& matrix = matrix_of(weights_.qkv);
    Tensor d_normal = at::empty({normal.size(0), normal.size(1)}, at::kFloat);
    gemm(d_k, matrix.narrow(0, width, 2 * key_width), d_normal, false);
    const Tensor d_asking = at::empty({asking.size(0), asking.size(1)}, at::kFloat);
    gemm(d_q, matrix.narrow(0, 0, width), d_asking, false);
    return d_normal.index_add_(0, state_.query_rows, d_asking);
  }

  DecoderAttentionWeights weights_;
  AttentionState state_;
};

struct MlpState {
  NormBefore norm;
  Tensor gate_up;  // [N, 2F]
};

class GatedMlpNode : public FusedNode {
 public:
  GatedMlpNode(const GatedMlpWeights& weights, MlpState state) : weights_(weights), state_(std::move(state)) {}

 protected:
  Tensor backward(torch::autograd::variable_list& gradients, bool wants_input) override {
    const at::NoGradGuard no_grad;
    const Tensor d_out = gradients[0].contiguous();
    Tensor inner = gated(state_.gate_up, matrix_of(weights_.down).scalar_type());
    const Tensor d_inner = product_backward(d_out, inner, weights_.down, weights_.down_bias);
    inner = Tensor();
    gated_backward(d_inner, state_.gate_up);
    const Tensor normal = state_.norm.rows(weights_.gain, matrix_of(weights_.gate_up).scalar_type());
    const Tensor d_normal = product_backward(state_.gate_up, normal, weights_.gate_up, weights_.gate_up_bias);
    Tensor d_x = d_out.clone();
    state_.norm.backward(d_normal, weights_.gain, d_x);
    return wants_input ? d_x : Tensor();
  }

  void release() override { state_ = {}; }

 private:
  GatedMlpWeights weights_;
  MlpState state_;
};

class ScaleNormNode : public FusedNode {
 public:
  ScaleNormNode(const Weight& gain, NormBefore norm) : gain_(gain), norm_(std::move(norm)) {}

 protected:
  Tensor backward(torch::autograd::variable_list& gradients, bool wants_input) override {
    const at::NoGradGuard no_grad;
    Tensor d_x = at::zeros_like(norm_.x);
    norm_.backward(gradients[0].contiguous(), gain_, d_x);
    return wants_input ? d_x : Tensor();
  }
  void release() override { norm_ = {}; }

 private:
  Weight gain_;
  NormBefore norm_;
};

Tensor all_but_last(const Tensor& offsets) { return offsets.slice(0, 0, -1).contiguous(); }

// Lets attention read the cache, which takes over the new rows.
void read_cache(const DecoderRows& rows, const Tensor& keys, const Tensor& values, DecoderAttention& input) {
  CachedKeys cached = extend_cache(*rows.cache, rows.layer, rows.offsets, keys, values);
  input.keys = std::move(cached.keys);
  input.values = std::move(cached.values);
  input.key_begins = std::move(cached.begins);
  input.key_counts = std::move(cached.counts);
  input.key_gaps = std::move(cached.gaps);
}

// The bias of each distance, from the table of the buckets.
Tensor bias_by_distance(const Weight& bias, const Tensor& buckets) {
  if (!bias.master.defined()) return {};
  return buckets.defined() ? bias.master.detach().index_select(1, buckets) : bias.master.detach();
}

// Projects, rotates, and fills what attention reads.
void project(const Tensor& normal, const DecoderAttentionWeights& weights, AttentionState& state) {
  const DecoderShape& shape = state.shape;
  const DecoderRows& rows = state.rows;
  const std::int64_t width = shape.heads * shape.head_width, key_width = shape.key_heads * shape.head_width;
  const Tensor& matrix = matrix_of(weights.qkv);
  Tensor keys, values;
  if (state.query_rows.defined()) {
    state.projected = at::empty({normal.size(0), 2 * key_width}, at::kFloat);
    gemm(normal, matrix.narrow(0, width, 2 * key_width).t(), state.projected, false);
    state.input.queries = at::empty({state.query_rows.size(0), width}, at::kFloat);
    gemm(normal.index_select(0, state.query_rows), matrix.narrow(0, 0, width).t(), state.input.queries, false);
    if (weights.qkv_bias.master.defined()) {
      state.projected.add_(weights.qkv_bias.master.narrow(0, width, 2 * key_width));
      state.input.queries.add_(weights.qkv_bias.master.narrow(0, 0, width));
    }
    keys = state.projected.narrow(1, 0, key_width);
    values = state.projected.narrow(1, key_width, key_width);
    rotate(state.input.queries, shape.heads, rows.positions.index_select(0, state.query_rows), rows.rotary, false);
    rotate(keys, shape.key_heads, rows.positions, rows.rotary, false);
    state.input.query_offsets = at::arange(state.query_rows.size(0) + 1, at::kInt);
  } else {
    state.projected = product(normal, weights.qkv, weights.qkv_bias);
    state.input.queries = state.projected.narrow(1, 0, width);
    keys = state.projected.narrow(1, width, key_width);
    values = state.projected.narrow(1, width + key_width, key_width);
    rotate(state.projected.narrow(1, 0, width + key_width), shape.heads + shape.key_heads, rows.positions, rows.rotary,
           false);
    state.input.query_offsets = rows.offsets;
  }
  if (rows.cache != nullptr) return read_cache(rows, keys, values, state.input);
  state.input.keys = keys;
  state.input.values = values;
  state.input.key_begins = all_but_last(rows.offsets);
  state.input.key_counts = (rows.offsets.slice(0, 1) - state.input.key_begins).contiguous();
}

}  // namespace

Tensor last_rows_of(const Tensor& offsets) { return (offsets.slice(0, 1) - 1).contiguous(); }

DecoderAttentionOutput decoder_attention_block(const Tensor& x, const DecoderRows& rows,
                                               const DecoderAttentionWeights& weights, const DecoderShape& shape,
                                               bool last_rows, bool want_qkv) {
  if (!is_fused(x) || want_qkv) return plain::decoder_attention_block(x, rows, weights, shape, last_rows, want_qkv);
  const auto all = present(
      {&weights.gain, &weights.qkv, &weights.qkv_bias, &weights.out, &weights.out_bias, &weights.distance_bias});
  const bool saves = needs_backward(x, all);
  const at::NoGradGuard no_grad;
  const at::ScalarType type = matrix_of(weights.qkv).scalar_type();
  AttentionState state{.shape = shape, .rows = rows};
  state.norm = {.x = x.detach().contiguous(), .epsilon = shape.epsilon};
  if (last_rows) state.query_rows = last_rows_of(rows.offsets).to(at::kLong);
  state.input.heads = shape.heads;
  state.input.key_heads = shape.key_heads;
  state.input.reach = shape.reach;
  state.input.key_bias = rows.key_bias;
  state.input.distance_bias = bias_by_distance(weights.distance_bias, rows.distance_buckets);
  project(scale_norm(state.norm.x, weights.gain.master, shape.epsilon, type, saves ? &state.norm.inverse : nullptr),
          weights, state);
  state.output = attend(state.input, saves ? &state.log_sums : nullptr, at::kFloat);
  state.context = state.output.to(type);
  const Tensor hidden = product(state.context, weights.out, weights.out_bias,
                                last_rows ? state.norm.x.index_select(0, state.query_rows) : state.norm.x.clone());
  if (saves) record(std::make_shared<DecoderAttentionNode>(weights, std::move(state)), x, all, {hidden});
  return {hidden, {}};
}

Tensor gated_mlp_block(const Tensor& x, const GatedMlpWeights& weights, double epsilon) {
  if (!is_fused(x)) return plain::gated_mlp_block(x, weights, epsilon);
  const auto all = present({&weights.gain, &weights.gate_up, &weights.gate_up_bias, &weights.down, &weights.down_bias});
  const bool saves = needs_backward(x, all);
  const at::NoGradGuard no_grad;
  const at::ScalarType type = matrix_of(weights.gate_up).scalar_type();
  MlpState state;
  state.norm = {.x = x.detach().contiguous(), .epsilon = epsilon};
  state.gate_up =
      product(scale_norm(state.norm.x, weights.gain.master, epsilon, type, saves ? &state.norm.inverse : nullptr),
              weights.gate_up, weights.gate_up_bias);
  const Tensor out = product(gated(state.gate_up, type), weights.down, weights.down_bias, state.norm.x.clone());
  if (saves) record(std::make_shared<GatedMlpNode>(weights, std::move(state)), x, all, {out});
  return out;
}

Tensor scale_norm_block(const Tensor& x, const Weight& gain, double epsilon) {
  if (!is_fused(x)) return plain::scale_norm_block(x, gain, epsilon);
  const auto all = present({&gain});
  const bool saves = needs_backward(x, all);
  const at::NoGradGuard no_grad;
  NormBefore norm{.x = x.detach().contiguous(), .epsilon = epsilon};
  const Tensor out = scale_norm(norm.x, gain.master, epsilon, at::kFloat, saves ? &norm.inverse : nullptr);
  if (saves) record(std::make_shared<ScaleNormNode>(gain, std::move(norm)), x, all, {out});
  return out;
}

}  // namespace dsd
