// The attention block over fp32 rows in host memory. Queries, keys and values are one product where every row asks;
// where few rows ask, theirs is a product of its own.
#include <ATen/ATen.h>

#include "core/model/blocks/encoder.h"
#include "core/model/blocks/gradients.h"
#include "core/model/blocks/node.h"
#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/residual_norm.h"

namespace dsd {
namespace {

// The three ways to lay out queries, keys and values.
enum class Layout {
  joint,     // qkv [T, 3H]
  pruned,    // queries [Q, H] beside kv [T, 2H]
  captured,  // qkv [T, 3H] with its bias for whoever asked, and the queries [Q, H] of some rows copied out of it
};

struct AttentionState {
  Layout layout = Layout::joint;
  Tensor x;          // [T, H] as the product read it
  Tensor asking;     // [Q, H] of it, pruned only
  Tensor projected;  // qkv or kv
  AttentionInput input;
  Tensor softmax;
  Tensor context;  // [Q, H]
  ResidualNorm norm;
  NormSaved saved;
};

class AttentionNode : public FusedNode {
 public:
  AttentionNode(AttentionWeights weights, AttentionState state)
      : weights_(std::move(weights)), state_(std::move(state)) {}

 protected:
  Tensor backward(torch::autograd::variable_list& gradients, bool wants_input) override {
    const Tensor gradient =
        gradients[0].defined() ? gradients[0].contiguous() : at::zeros_like(state_.saved.normalised);
    const auto [residual, branch] = residual_norm_backward(
        gradient, state_.norm, state_.saved, state_.x.scalar_type(),
        {gradient_or_none(weights_.gain), gradient_or_none(weights_.bias), gradient_or_none(weights_.out_bias)});
    add_product_gradient(weights_.out, branch, state_.context);
    const Tensor d_context = at::empty_like(residual);
    gemm(branch, matrix_of(weights_.out), d_context, false);
    if (state_.layout == Layout::pruned) return pruned_backward(d_context, residual, wants_input);
    const Tensor d_qkv =
        state_.layout == Layout::joint ? joint_backward(d_context) : captured_backward(d_context, gradients[1]);
    add_product_gradient(weights_.qkv, d_qkv, state_.x);
    return wants_input ? input_gradient(d_qkv, residual) : Tensor();
  }
  void release() override { state_ = {}; }

 private:
  Tensor joint_backward(const Tensor& d_context) {
    const std::int64_t width = state_.x.size(1);
    const Tensor d_qkv = at::empty(state_.projected.sizes(), state_.x.options());
    attention_backward(d_context, state_.input, state_.softmax,
                       {d_qkv.narrow(1, 0, width), d_qkv.narrow(1, width, width), d_qkv.narrow(1, 2 * width, width),
                        gradient_or_none(weights_.qkv_bias)});
    return d_qkv;
  }

  Tensor captured_backward(const Tensor& d_context, const Tensor& from_outside) {
    const std::int64_t width = state_.x.size(1);
    const bool some = state_.input.query_rows.defined();
    const Tensor d_qkv = at::empty(state_.projected.sizes(), at::kFloat);
    const Tensor all_queries = d_qkv.narrow(1, 0, width);
    const Tensor d_queries = some ? at::empty_like(state_.input.queries) : all_queries;
    attention_backward(d_context, state_.input, state_.softmax,
                       {d_queries, d_qkv.narrow(1, width, width), d_qkv.narrow(1, 2 * width, width), Tensor()});
    if (some) all_queries.zero_().index_copy_(0, state_.input.query_rows.to(at::kLong), d_queries);
    if (from_outside.defined()) d_qkv.add_(from_outside);
    if (weights_.qkv_bias.master.requires_grad()) dense_gradient(weights_.qkv_bias).add_(d_qkv.sum(0));
    return d_qkv.to(state_.x.scalar_type());
  }

  Tensor pruned_backward(const Tensor& d_context, const Tensor& residual, bool wants_input) {
    const std::int64_t width = state_.x.size(1);
    const Tensor d_queries = at::empty(state_.input.queries.sizes(), state_.x.options());
    const Tensor d_kv = at::empty(state_.projected.sizes(), state_.x.options());
    attention_backward(
        d_context, state_.input, state_.softmax,
        {d_queries, d_kv.narrow(1, 0, width), d_kv.narrow(1, width, width), gradient_or_none(weights_.qkv_bias)});
    if (weights_.qkv.master.requires_grad()) {
      const Tensor d_weight = dense_gradient(weights_.qkv);
      gemm(d_queries.t(), state_.asking, d_weight.narrow(0, 0, width), true);
      gemm(d_kv.t(), state_.x, d_weight.narrow(0, width, 2 * width), true);
    }
    if (!wants_input) return {};
    const Tensor& weight = matrix_of(weights_.qkv);
    const Tensor d_x = at::empty({state_.x.size(0), width}, at::kFloat);
    gemm(d_kv, weight.narrow(0, width, 2 * width), d_x, false);
    gemm(d_queries, weight.narrow(0, 0, width), residual, true);
    add_rows(d_x, state_.input.query_rows, residual);
    return d_x;
  }

  // d_qkv W and what came by the residual.
  Tensor input_gradient(const Tensor& d_qkv, const Tensor& residual) {
    if (!state_.input.query_rows.defined()) {
      gemm(d_qkv, matrix_of(weights_.qkv), residual, true);
      return residual;
    }
    const Tensor d_x = at::empty({state_.x.size(0), state_.x.size(1)}, at::kFloat);
    gemm(d_qkv, matrix_of(weights_.qkv), d_x, false);
    add_rows(d_x, state_.input.query_rows, residual);
    return d_x;
  }

  AttentionWeights weights_;
  AttentionState state_;
};

// Fills what attention reads from the products of x.
void project(const AttentionWeights& weights, const Tensor& query_rows, AttentionState& state) {
  const Tensor& weight = matrix_of(weights.qkv);
  const std::int64_t width = state.x.size(1), tokens = state.x.size(0);
  if (state.layout == Layout::pruned) {
    state.asking = state.x.index_select(0, query_rows);
    state.projected = at::empty({tokens, 2 * width}, at::kFloat);
    state.input.queries = at::empty({query_rows.size(0), width}, at::kFloat);
    gemm(state.x, weight.narrow(0, width, 2 * width).t(), state.projected, false);
    gemm(state.asking, weight.narrow(0, 0, width).t(), state.input.queries, false);
    state.input.keys = state.projected.narrow(1, 0, width);
    state.input.values = state.projected.narrow(1, width, width);
    state.input.bias = weights.qkv_bias.master;
    return;
  }
  state.projected = at::empty({tokens, 3 * width}, at::kFloat);
  gemm(state.x, weight.t(), state.projected, false);
  if (state.layout == Layout::captured) {
    state.projected.add_(weights.qkv_bias.master);
  } else {
    state.input.bias = weights.qkv_bias.master;
  }
  const Tensor queries = state.projected.narrow(1, 0, width);
  state.input.queries = query_rows.defined() ? queries.index_select(0, query_rows) : queries;
  state.input.keys = state.projected.narrow(1, width, width);
  state.input.values = state.projected.narrow(1, 2 * width, width);
}

ResidualNorm norm_of(const Tensor& x, const PackedRows& rows, const Tensor& query_rows, const AttentionWeights& weights,
                     double epsilon, const Dropout& dropout) {
  const bool gathers = query_rows.defined() && dropout.active();
  return {.residual = x,
          .residual_rows = query_rows,
          .branch = at::empty({query_rows.defined() ? query_rows.size(0) : x.size(0), x.size(1)}, at::kFloat),
          .branch_bias = weights.out_bias.master,
          .gain = weights.gain.master,
          .bias = weights.bias.master,
          .places = gathers ? rows.places.index_select(0, query_rows) : rows.places,
          .positions = gathers ? rows.positions.index_select(0, query_rows) : rows.positions,
          .kind = NormKind::layer,
          .epsilon = epsilon,
          .dropout = dropout};
}

}  // namespace

AttentionOutput attention_block(const Tensor& x, const PackedRows& rows, const Tensor& query_rows,
                                const AttentionWeights& weights, std::int64_t heads, double epsilon,
                                const BlockDropout& dropout, bool want_qkv) {
  if (!x.is_cpu() || x.scalar_type() != at::kFloat) {
    return plain::attention_block(x, rows, query_rows, weights, heads, epsilon, dropout, want_qkv);
  }
  const std::vector<const Weight*> all{&weights.qkv,      &weights.qkv_bias, &weights.out,
                                       &weights.out_bias, &weights.gain,     &weights.bias};
  const bool saves = needs_backward(x, all);
  const at::NoGradGuard no_grad;
  const Tensor input = x.detach().contiguous();
  const at::ScalarType type = matrix_of(weights.qkv).scalar_type();
  AttentionState state;
  state.layout = want_qkv ? Layout::captured : query_rows.defined() ? Layout::pruned : Layout::joint;
  state.x = input.to(type);
  state.input.offsets = rows.offsets;
  state.input.places = rows.places;
  state.input.query_rows = query_rows;
  state.input.heads = heads;
  state.input.dropout = make_dropout(dropout.attention, dropout.key);
  project(weights, query_rows, state);
  state.context = attention(state.input, saves ? &state.softmax : nullptr, type);
  state.norm = norm_of(input, rows, query_rows, weights, epsilon, make_dropout(dropout.hidden, dropout.key));
  gemm(state.context, matrix_of(weights.out).t(), state.norm.branch, false);
  const Tensor hidden = residual_norm(state.norm, saves ? &state.saved : nullptr);
  const Tensor qkv = want_qkv ? state.projected.detach() : Tensor();
  if (!saves) return {hidden, qkv};
  state.norm.residual = state.norm.branch = Tensor();
  record(std::make_shared<AttentionNode>(weights, std::move(state)), x, all, {hidden, qkv});
  return {hidden, qkv};
}

}  // namespace dsd
