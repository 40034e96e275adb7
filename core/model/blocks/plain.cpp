// The references of the encoder's blocks, in LibTorch operations. Sequences are padded here, which the kernels never
// do.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/model/blocks/encoder.h"
#include "kernels/dropout.h"

namespace dsd::plain {
namespace {

// y [N, M] = x [N, K] w^T + b. With a shadow, both operands are rounded to bf16 and the sum is kept in fp32; the
// gradient passes through the rounding to the master.
Tensor linear(const Tensor& x, const Weight& weight, const Weight& bias) {
  if (!weight.shadow.defined()) return at::linear(x, weight.master, bias.master);
  const Tensor rounded = (weight.master.defined() ? weight.master : weight.shadow).to(at::kBFloat16);
  if (x.is_cuda()) return at::linear(x.to(at::kBFloat16), rounded).to(x.scalar_type()) + bias.master;
  return at::linear(x.to(at::kBFloat16).to(x.scalar_type()), rounded.to(x.scalar_type()), bias.master);
}

Tensor norm(const Tensor& x, const Weight& gain, const Weight& bias, double epsilon) {
  return at::layer_norm(x, {x.size(-1)}, gain.master, bias.master, epsilon);
}

Tensor drop(const Tensor& x, const PackedRows& rows, double probability, const RandomKey& key) {
  const Dropout dropout = make_dropout(probability, key);
  return dropout.active() ? x * dropout_mask(dropout, rows.places, rows.positions, x.size(-1), x.options()) : x;
}

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::relu:
      return at::relu(x);
    case Activation::silu:
      return at::silu(x);
  }
  fail("an activation has no formula in the plain MLP block");
}

// Rows of each sequence side by side; what is missing points at row 0 and is not valid.
struct Padded {
  Tensor rows;      // [S * L] int64, packed rows
  Tensor valid;     // [S, L] bool
  Tensor indexes;   // [S, L] int32, place inside the sequence
  Tensor selected;  // [rows in all] int64: where the valid ones stand in rows
};

Padded pad(const Tensor& offsets, const Tensor& chosen, const at::Device& device) {
  const auto* bounds = offsets.const_data_ptr<std::int32_t>();
  const std::int64_t sequences = offsets.size(0) - 1;
  std::vector<std::vector<std::int64_t>> of(static_cast<std::size_t>(sequences));
  std::size_t longest = 0;
  const Tensor list = chosen.defined() ? chosen.to(at::kCPU, at::kLong).contiguous()
                                       : at::arange(bounds[sequences], at::TensorOptions(at::kLong));
  std::size_t s = 0;
  for (std::int64_t i = 0; i < list.size(0); ++i) {
    const std::int64_t row = list.const_data_ptr<std::int64_t>()[i];
    while (row >= bounds[s + 1]) ++s;
    of[s].push_back(row);
    longest = std::max(longest, of[s].size());
  }
  const auto width = static_cast<std::int64_t>(longest);
  Padded padded{at::zeros({sequences * width}, at::kLong), at::zeros({sequences, width}, at::kBool),
                at::zeros({sequences, width}, at::kInt), at::empty({list.size(0)}, at::kLong)};
  std::int64_t count = 0;
  for (s = 0; s < of.size(); ++s) {
    for (std::size_t i = 0; i < of[s].size(); ++i) {
      const auto at = static_cast<std::int64_t>(s * longest + i);
      padded.rows.mutable_data_ptr<std::int64_t>()[at] = of[s][i];
      padded.valid.mutable_data_ptr<bool>()[at] = true;
      padded.indexes.mutable_data_ptr<std::int32_t>()[at] = static_cast<std::int32_t>(of[s][i] - bounds[s]);
      padded.selected.mutable_data_ptr<std::int64_t>()[count++] = at;
    }
  }
  return {padded.rows.to(device), padded.valid.to(device), padded.indexes, padded.selected.to(device)};
}

// [S, heads, L, D] of columns part*H ... (part+1)*H of qkv.
Tensor heads_of(const Tensor& qkv, const Padded& padded, std::int64_t part, std::int64_t heads) {
  const std::int64_t width = qkv.size(1) / 3, sequences = padded.valid.size(0);
  return qkv.narrow(1, part * width, width)
      .index_select(0, padded.rows)
      .view({sequences, padded.valid.size(1), heads, width / heads})
      .transpose(1, 2);
}

// [Q, H]: softmax(q k^T / sqrt(D)) v, each sequence alone.
Tensor attend(const Tensor& qkv, const PackedRows& rows, const Padded& queries, std::int64_t heads,
              const BlockDropout& dropout) {
  const Padded keys = pad(rows.offsets, Tensor(), qkv.device());
  const Tensor q = heads_of(qkv, queries, 0, heads), k = heads_of(qkv, keys, 1, heads),
               v = heads_of(qkv, keys, 2, heads);
  Tensor scores = at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
  scores = scores.masked_fill(keys.valid.logical_not().view({keys.valid.size(0), 1, 1, -1}), -INFINITY);
  Tensor probabilities = at::softmax(scores, -1);
  const Dropout drops = make_dropout(dropout.attention, dropout.key);
  if (drops.active()) {
    const Tensor firsts = rows.offsets.slice(0, 0, -1).to(rows.places.device(), at::kLong);
    probabilities = probabilities * attention_dropout_mask(drops, rows.places.index_select(0, firsts), queries.indexes,
                                                           heads, keys.valid.size(1), qkv.options());
  }
  const Tensor context = at::matmul(probabilities, v).transpose(1, 2).reshape({-1, heads * q.size(3)});
  return context.index_select(0, queries.selected);
}

}  // namespace

Tensor embedding_block(const Sequences& text, const PackedRows& rows, const EmbeddingWeights& weights, double epsilon,
                       const BlockDropout& dropout, const Tensor& replaced) {
  const Tensor words = replaced.defined() ? replaced : look_up(weights.words, text.ids);
  const Tensor sum = words + look_up(weights.positions, text.positions) + look_up(weights.segments, text.segments);
  return drop(norm(sum, weights.gain, weights.bias, epsilon), rows, dropout.hidden, dropout.key);
}

AttentionOutput attention_block(const Tensor& x, const PackedRows& rows, const Tensor& query_rows,
                                const AttentionWeights& weights, std::int64_t heads, double epsilon,
                                const BlockDropout& dropout, bool want_qkv) {
  const Tensor qkv = linear(x, weights.qkv, weights.qkv_bias);
  const Padded queries = pad(rows.offsets, query_rows, x.device());
  const Tensor branch = linear(attend(qkv, rows, queries, heads, dropout), weights.out, weights.out_bias);
  PackedRows kept = rows;
  Tensor residual = x;
  if (query_rows.defined()) {
    const Tensor index = query_rows.to(x.device(), at::kLong);
    residual = x.index_select(0, index);
    kept.places = rows.places.index_select(0, index.to(rows.places.device()));
    kept.positions = rows.positions.index_select(0, index.to(rows.positions.device()));
  }
  const Tensor hidden =
      norm(residual + drop(branch, kept, dropout.hidden, dropout.key), weights.gain, weights.bias, epsilon);
  return {hidden, want_qkv ? qkv : Tensor()};
}

Tensor mlp_block(const Tensor& x, const PackedRows& rows, const MlpWeights& weights, Activation activation,
                 double epsilon, const BlockDropout& dropout) {
  const Tensor branch =
      linear(activate(linear(x, weights.up, weights.up_bias), activation), weights.down, weights.down_bias);
  return norm(x + drop(branch, rows, dropout.hidden, dropout.key), weights.gain, weights.bias, epsilon);
}

}  // namespace dsd::plain
