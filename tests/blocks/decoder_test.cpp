// Each fused decoder block in fp32 against the plain composition in float64: results, and the gradients of every
// operand.
#include <ATen/ATen.h>

#include <span>
#include <utility>

#include "core/model/blocks/cache.h"
#include "core/model/blocks/decoder.h"
#include "tests/blocks/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

struct Case {
  std::vector<std::int32_t> lengths;
  std::int64_t hidden = 32, heads = 4, key_heads = 2, head_width = 8, inner = 40;
  AttentionReach reach;
  bool biases = false, shadow = false, last_rows = false, distance_bias = false, hidden_keys = false;
};

double relative(const Tensor& got, const Tensor& expected) {
  const double scale = std::max(expected.abs().max().item<double>(), 1e-3);
  return (got.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>() / scale;
}

Weight maybe(bool there, std::vector<std::int64_t> shape, std::uint64_t seed, at::ScalarType type) {
  return there ? sample::weight(std::move(shape), 0.3, seed, type, false) : Weight{};
}

DecoderAttentionWeights attention_weights(const Case& c, at::ScalarType type) {
  const std::int64_t width = c.heads * c.head_width, all = width + 2 * c.key_heads * c.head_width;
  const double deviation = 1.5 / std::sqrt(static_cast<double>(c.hidden));
  return {.gain = sample::weight({c.hidden}, 0.2, 1, type, false, 1),
          .qkv = sample::weight({all, c.hidden}, deviation, 2, type, c.shadow),
          .qkv_bias = maybe(c.biases, {all}, 3, type),
          .out = sample::weight({c.hidden, width}, deviation, 4, type, c.shadow),
          .out_bias = maybe(c.biases, {c.hidden}, 5, type),
          .distance_bias = maybe(c.distance_bias, {c.heads, 9}, 6, type)};
}

GatedMlpWeights mlp_weights(const Case& c, at::ScalarType type) {
  const double deviation = 1.5 / std::sqrt(static_cast<double>(c.hidden));
  return {.gain = sample::weight({c.hidden}, 0.2, 11, type, false, 1),
          .gate_up = sample::weight({2 * c.inner, c.hidden}, deviation, 12, type, c.shadow),
          .gate_up_bias = maybe(c.biases, {2 * c.inner}, 13, type),
          .down = sample::weight({c.hidden, c.inner}, deviation, 14, type, c.shadow),
          .down_bias = maybe(c.biases, {c.hidden}, 15, type)};
}

std::vector<const Weight*> list(const DecoderAttentionWeights& w) {
  return {&w.gain, &w.qkv, &w.qkv_bias, &w.out, &w.out_bias, &w.distance_bias};
}
std::vector<const Weight*> list(const GatedMlpWeights& w) {
  return {&w.gain, &w.gate_up, &w.gate_up_bias, &w.down, &w.down_bias};
}

DecoderRows rows_of(const Case& c) {
  const PackedRows packed = sample::rows_of(c.lengths);
  const std::int64_t longest = *std::ranges::max_element(c.lengths);
  const Tensor angles =
      at::outer(at::arange(longest, at::kFloat), at::arange(1, c.head_width / 2 + 1, at::kFloat) * 0.3);
  DecoderRows rows{.offsets = packed.offsets, .positions = packed.positions, .key_bias = {}, .rotary = {}};
  rows.rotary = {at::cos(angles), at::sin(angles)};
  if (c.hidden_keys) {
    const std::int64_t tokens = rows.positions.size(0);
    rows.key_bias = at::zeros({tokens}, at::kFloat);
    for (std::int64_t i = 0; i < tokens; i += 3) rows.key_bias[i] = -INFINITY;
  }
  return rows;
}

Tensor leaf(const Case& c, std::int64_t rows, at::ScalarType type) {
  return sample::numbers({rows, c.hidden}, 1, 77).to(type).requires_grad_();
}

void backward(const Tensor& out) {
  (out * sample::numbers({out.size(0), out.size(1)}, 1, 5).to(out.scalar_type())).sum().backward();
}

void compare(std::span<const Weight* const> fused, std::span<const Weight* const> plain, double bound) {
  for (std::size_t i = 0; i < fused.size(); ++i) {
    CAPTURE(i);
    if (!plain[i]->master.defined()) continue;
    CHECK(relative(fused[i]->master.grad(), plain[i]->master.grad()) < bound);
  }
}

void check_attention(const Case& c, double bound = 2e-5) {
  const DecoderRows rows = rows_of(c);
  const DecoderShape shape{c.heads, c.key_heads, c.head_width, 1e-5, c.reach};
  const auto weights = attention_weights(c, at::kFloat), reference = attention_weights(c, at::kDouble);
  const std::int64_t tokens = rows.positions.size(0);
  const Tensor x = leaf(c, tokens, at::kFloat), y = leaf(c, tokens, at::kDouble);
  const Tensor fused = decoder_attention_block(x, rows, weights, shape, c.last_rows, false).hidden;
  const Tensor plain = plain::decoder_attention_block(y, rows, reference, shape, c.last_rows, false).hidden;
  CHECK(relative(fused, plain) < bound);
  backward(fused);
  backward(plain);
  CHECK(relative(x.grad(), y.grad()) < bound);
  compare(list(weights), list(reference), bound);
}

void check_mlp(const Case& c, double bound = 2e-5) {
  const auto weights = mlp_weights(c, at::kFloat), reference = mlp_weights(c, at::kDouble);
  const Tensor x = leaf(c, 13, at::kFloat), y = leaf(c, 13, at::kDouble);
  const Tensor fused = gated_mlp_block(x, weights, 1e-5), plain = plain::gated_mlp_block(y, reference, 1e-5);
  CHECK(relative(fused, plain) < bound);
  backward(fused);
  backward(plain);
  CHECK(relative(x.grad(), y.grad()) < bound);
  compare(list(weights), list(reference), bound);
}

}  // namespace

TEST_CASE("attention: causal, grouped keys, sequences of every length around a tile") {
  check_attention({.lengths = {1, 5, 17}});
  check_attention({.lengths = {63, 64, 65, 2}});
  check_attention({.lengths = {200}, .key_heads = 4});
  check_attention({.lengths = {130, 1}, .key_heads = 1, .head_width = 6});
}

TEST_CASE("attention: biases, windows, blocks with sinks, a bias by distance, keys that nobody sees") {
  check_attention({.lengths = {9, 70}, .biases = true});
  check_attention({.lengths = {9, 150}, .reach = {.window = 11}});
  check_attention({.lengths = {7, 150}, .reach = {.block = 16}});
  check_attention({.lengths = {7, 150}, .reach = {.block = 16, .look_back = 1, .sinks = 4}});
  check_attention({.lengths = {200}, .reach = {.block = 100, .look_back = 1, .sinks = 2}});
  check_attention({.lengths = {9, 150}, .distance_bias = true});
  check_attention({.lengths = {9, 150}, .distance_bias = true, .hidden_keys = true});
  check_attention({.lengths = {9, 150}, .reach = {.block = 16, .look_back = 1, .sinks = 4}, .hidden_keys = true});
}

TEST_CASE("attention: for the last row of each sequence alone") {
  check_attention({.lengths = {1, 5, 70}, .last_rows = true});
  check_attention({.lengths = {9, 70}, .reach = {.window = 5}, .biases = true, .last_rows = true});
}

TEST_CASE("the gated MLP and the norm") {
  check_mlp({.lengths = {}});
  check_mlp({.lengths = {}, .hidden = 19, .inner = 23, .biases = true});
  for (const std::int64_t width : {3, 15, 33, 576}) {
    const Weight gain = sample::weight({width}, 0.2, 1, at::kFloat, false, 1),
                 reference = sample::weight({width}, 0.2, 1, at::kDouble, false, 1);
    const Tensor x = sample::numbers({7, width}, 1, 3).requires_grad_(),
                 y = sample::numbers({7, width}, 1, 3).to(at::kDouble).requires_grad_();
    const Tensor fused = scale_norm_block(x, gain, 1e-6), plain = plain::scale_norm_block(y, reference, 1e-6);
    CHECK(relative(fused, plain) < 1e-5);
    backward(fused);
    backward(plain);
    CHECK(relative(x.grad(), y.grad()) < 1e-4);
    CHECK(relative(gain.master.grad(), reference.master.grad()) < 1e-5);
  }
}

TEST_CASE("products in bf16 stay near the exact ones") {
  check_attention({.lengths = {9, 70}, .shadow = true}, 0.05);
  check_mlp({.lengths = {}, .shadow = true}, 0.05);
}

TEST_CASE("a cache, row by row or in pieces, gives what the whole sequence gives") {
  const Case c{.lengths = {90, 33}, .biases = true};
  const at::NoGradGuard no_grad;
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const DecoderRows all = rows_of(c);
    const DecoderShape shape{c.heads, c.key_heads, c.head_width, 1e-5, {}};
    const auto weights = attention_weights(c, type);
    const Tensor x = leaf(c, 123, type).detach();
    const Tensor whole = decoder_attention_block(x, all, weights, shape, false, false).hidden;
    KvCache cache = make_cache(2, 100, 1, c.key_heads * c.head_width, type);
    for (const auto& [first, second] : std::vector<std::pair<int, int>>{{60, 20}, {29, 12}, {1, 1}}) {
      DecoderRows rows = all;
      const auto rows_of_step = [&](const Tensor& t) {
        return at::cat({t.narrow(0, cache.counts[0], first), t.narrow(0, 90 + cache.counts[1], second)});
      };
      rows.offsets = at::tensor({0, first, first + second}, at::kInt);
      rows.positions = rows_of_step(all.positions);
      rows.cache = &cache;
      const Tensor step = decoder_attention_block(rows_of_step(x), rows, weights, shape, false, false).hidden;
      CHECK(relative(step, rows_of_step(whole)) < 1e-5);
      count_rows(cache, rows.offsets);
    }
  }
}
