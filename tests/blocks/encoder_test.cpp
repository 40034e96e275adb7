// Each fused block in fp32 against the plain composition in float64: results, and the gradients of every operand.
#include <ATen/ATen.h>

#include <span>
#include <utility>

#include "tests/blocks/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;
using sample::Shape;

namespace {

double relative(const Tensor& got, const Tensor& expected) {
  const double scale = std::max(expected.abs().max().item<double>(), 1e-3);
  return (got.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>() / scale;
}

void backward(const Tensor& out, std::uint64_t seed, const Tensor& more = {}) {
  Tensor loss = (out * sample::numbers({out.size(0), out.size(1)}, 1, seed).to(out.scalar_type())).sum();
  if (more.defined()) {
    loss = loss + (more * sample::numbers({more.size(0), more.size(1)}, 1, seed + 1).to(more.scalar_type())).sum();
  }
  loss.backward();
}

void compare(std::span<const Weight* const> fused, std::span<const Weight* const> plain, double bound) {
  for (std::size_t i = 0; i < fused.size(); ++i) {
    CAPTURE(i);
    CHECK(relative(fused[i]->master.grad(), plain[i]->master.grad()) < bound);
  }
}

std::vector<const Weight*> list(const AttentionWeights& w) {
  return {&w.qkv, &w.qkv_bias, &w.out, &w.out_bias, &w.gain, &w.bias};
}
std::vector<const Weight*> list(const MlpWeights& w) {
  return {&w.up, &w.up_bias, &w.down, &w.down_bias, &w.gain, &w.bias};
}
std::vector<const Weight*> list(const EmbeddingWeights& w) {
  return {&w.words, &w.positions, &w.segments, &w.gain, &w.bias};
}

Tensor leaf(const Shape& shape, std::int64_t rows, at::ScalarType type) {
  Tensor x = sample::numbers({rows, shape.hidden}, 1, 77);
  if (shape.shadow) x = x.to(at::kBFloat16).to(at::kFloat);
  return x.to(type).requires_grad_();
}

void check_attention(const Shape& shape, const std::vector<std::int32_t>& query_rows, bool want_qkv, double bound) {
  const PackedRows rows = sample::rows_of(shape.lengths, 5);
  const Tensor queries = query_rows.empty() ? Tensor() : at::tensor(query_rows, at::kInt);
  const std::int64_t tokens = rows.places.size(0);
  const auto weights = sample::attention_weights(shape, at::kFloat),
             reference = sample::attention_weights(shape, at::kDouble);
  const Tensor x = leaf(shape, tokens, at::kFloat), y = leaf(shape, tokens, at::kDouble);
  const auto dropout = sample::dropout_of(shape);
  const auto fused = attention_block(x, rows, queries, weights, shape.heads, 1e-12, dropout, want_qkv);
  const auto plain = plain::attention_block(y, rows, queries, reference, shape.heads, 1e-12, dropout, want_qkv);
  CHECK(relative(fused.hidden, plain.hidden) < bound);
  CHECK(fused.qkv.defined() == want_qkv);
  if (want_qkv) CHECK(relative(fused.qkv, plain.qkv) < bound);
  backward(fused.hidden, 100, fused.qkv);
  backward(plain.hidden, 100, plain.qkv);
  CHECK(relative(x.grad(), y.grad()) < bound);
  compare(list(weights), list(reference), bound);
}

void check_mlp(const Shape& shape, Activation activation, double bound) {
  const PackedRows rows = sample::rows_of(shape.lengths, 5);
  const std::int64_t tokens = rows.places.size(0);
  const auto weights = sample::mlp_weights(shape, at::kFloat), reference = sample::mlp_weights(shape, at::kDouble);
  const Tensor x = leaf(shape, tokens, at::kFloat), y = leaf(shape, tokens, at::kDouble);
  const auto dropout = sample::dropout_of(shape);
  const Tensor fused = mlp_block(x, rows, weights, activation, 1e-12, dropout);
  const Tensor plain = plain::mlp_block(y, rows, reference, activation, 1e-12, dropout);
  CHECK(relative(fused, plain) < bound);
  backward(fused, 100);
  backward(plain, 100);
  CHECK(relative(x.grad(), y.grad()) < bound);
  compare(list(weights), list(reference), bound);
}

constexpr double kSingle = 2e-5;
constexpr double kBf16 = 2e-2;

}  // namespace

TEST_CASE("attention over all rows, by width, head width and length") {
  for (const auto& [hidden, heads] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {64, 4}, {312, 12}, {384, 12}, {768, 12}, {128, 1}, {40, 2}}) {
    CAPTURE(hidden);
    check_attention({.lengths = {5, 1, 33, 16, 17}, .hidden = hidden, .heads = heads}, {}, false, kSingle);
  }
  check_attention({.lengths = {1}}, {}, false, kSingle);
  check_attention({.lengths = {1, 1, 1}}, {}, false, kSingle);
  check_attention({.lengths = {600, 3}}, {}, false, kSingle);
}

TEST_CASE("attention with dropout") {
  for (const std::int64_t hidden : {48, 312, 384}) {
    check_attention({.lengths = {5, 1, 33, 16, 150},
                     .hidden = hidden,
                     .heads = 12,
                     .hidden_dropout = 0.1,
                     .attention_dropout = 0.25},
                    {}, false, kSingle);
  }
}

TEST_CASE("attention for some rows of queries, and with its queries, keys and values captured") {
  for (const double dropout : {0.0, 0.3}) {
    for (const bool captured : {false, true}) {
      CAPTURE(dropout);
      CAPTURE(captured);
      const Shape shape{.lengths = {5, 1, 33, 16, 90}, .hidden_dropout = dropout, .attention_dropout = dropout};
      check_attention(shape, {0, 5, 6, 39, 55}, captured, kSingle);
      check_attention(shape, {2, 4, 6, 20, 30, 31, 140}, captured, kSingle);  // none of the second and fourth sequence
      check_attention(shape, {}, captured, kSingle);
    }
  }
}

TEST_CASE("MLP by activation and width, with dropout and without") {
  for (const Activation activation : {Activation::gelu, Activation::gelu_tanh, Activation::relu, Activation::silu}) {
    check_mlp({.lengths = {7, 30}}, activation, kSingle);
    check_mlp({.lengths = {7, 30}, .hidden_dropout = 0.2}, activation, kSingle);
  }
  check_mlp({.lengths = {1}}, Activation::gelu, kSingle);
  check_mlp({.lengths = {9, 50}, .hidden = 312, .inner = 1200, .hidden_dropout = 0.1}, Activation::gelu, kSingle);
  check_mlp({.lengths = {9, 50}, .hidden = 20, .inner = 37, .hidden_dropout = 0.1}, Activation::gelu, kSingle);
}

TEST_CASE("products in bf16 stay near float64") {
  for (const double dropout : {0.0, 0.1}) {
    const Shape shape{
        .lengths = {5, 1, 33, 16}, .hidden_dropout = dropout, .attention_dropout = dropout, .shadow = true};
    check_attention(shape, {}, false, kBf16);
    check_attention(shape, {0, 5, 6, 39}, false, kBf16);
    check_attention(shape, {0, 5, 6, 39}, true, kBf16);
    check_mlp(shape, Activation::gelu, kBf16);
  }
}

TEST_CASE("embeddings: words, positions and segments, dense and by rows") {
  for (const bool sparse : {false, true}) {
    for (const double dropout : {0.0, 0.2}) {
      const Shape shape{.lengths = {5, 1, 33}, .hidden = 72, .hidden_dropout = dropout};
      const PackedRows rows = sample::rows_of(shape.lengths);
      const std::int64_t tokens = rows.places.size(0);
      Sequences text{.ids = at::arange(tokens, at::kInt).remainder(11).to(at::kInt),
                     .offsets = rows.offsets,
                     .positions = rows.positions,
                     .segments = at::arange(tokens, at::kInt).remainder(2).to(at::kInt),
                     .spans = {}};
      auto weights = sample::embedding_weights(shape, 20, 40, at::kFloat);
      const auto reference = sample::embedding_weights(shape, 20, 40, at::kDouble);
      if (sparse) weights.words.row_gradient = std::make_shared<RowGradient>();
      for (int micro_batch = 0; micro_batch < 2; ++micro_batch) {
        const Tensor fused = embedding_block(text, rows, weights, 1e-12, sample::dropout_of(shape), {});
        const Tensor plain = plain::embedding_block(text, rows, reference, 1e-12, sample::dropout_of(shape), {});
        CHECK(relative(fused, plain) < kSingle);
        backward(fused, 40);
        backward(plain, 40);
        text.ids = text.ids + 6;
      }
      if (sparse) {
        const RowGradient& gradient = *weights.words.row_gradient;
        Tensor dense = at::zeros({20, shape.hidden});
        for (std::size_t i = 0; i < gradient.rows.size(); ++i) {
          CHECK(gradient.slot[static_cast<std::size_t>(gradient.rows[i])] == static_cast<std::int32_t>(i));
          dense[gradient.rows[i]] = gradient.values[static_cast<std::int64_t>(i)];
        }
        CHECK(gradient.rows.size() == 17);
        CHECK(!weights.words.master.grad().defined());
        weights.words.master.mutable_grad() = dense;
      }
      compare(list(weights), list(reference), kSingle);
    }
  }
}

TEST_CASE("what stands in for the look-up gets a gradient, the table none") {
  const Shape shape{.lengths = {4, 9}, .hidden = 32};
  const PackedRows rows = sample::rows_of(shape.lengths);
  const Sequences text{at::zeros({13}, at::kInt), rows.offsets, rows.positions, at::zeros({13}, at::kInt), {}};
  const auto weights = sample::embedding_weights(shape, 5, 16, at::kFloat);
  const auto reference = sample::embedding_weights(shape, 5, 16, at::kDouble);
  const Tensor x = leaf(shape, 13, at::kFloat), y = leaf(shape, 13, at::kDouble);
  backward(embedding_block(text, rows, weights, 1e-12, {}, x), 40);
  backward(plain::embedding_block(text, rows, reference, 1e-12, {}, y), 40);
  CHECK(relative(x.grad(), y.grad()) < kSingle);
  CHECK(!weights.words.master.grad().defined());
}

TEST_CASE("a batch cut in two gives the sums of the whole, with the same masks") {
  const Shape shape{.lengths = {6, 20, 3, 41}, .hidden_dropout = 0.2, .attention_dropout = 0.2};
  const auto whole_weights = sample::attention_weights(shape, at::kFloat),
             cut_weights = sample::attention_weights(shape, at::kFloat);
  const Tensor x = leaf(shape, 70, at::kFloat), y = leaf(shape, 70, at::kFloat);
  const Tensor factors = sample::numbers({70, shape.hidden}, 1, 5);
  const auto dropout = sample::dropout_of(shape);
  const Tensor whole =
      attention_block(x, sample::rows_of(shape.lengths), {}, whole_weights, 4, 1e-12, dropout, false).hidden;
  (whole * factors).sum().backward();
  const Tensor first =
      attention_block(y.narrow(0, 0, 26), sample::rows_of({6, 20}), {}, cut_weights, 4, 1e-12, dropout, false).hidden;
  (first * factors.narrow(0, 0, 26)).sum().backward();
  const Tensor second =
      attention_block(y.narrow(0, 26, 44), sample::rows_of({3, 41}, 2), {}, cut_weights, 4, 1e-12, dropout, false)
          .hidden;
  (second * factors.narrow(0, 26, 44)).sum().backward();
  CHECK(relative(at::cat({first, second}), whole) < 1e-6);
  CHECK(relative(y.grad(), x.grad()) < 1e-5);
  compare(list(cut_weights), list(whole_weights), 1e-5);
}

TEST_CASE("the same bits for the same number of threads, near ones for another") {
  const Shape shape{.lengths = {30, 60, 5, 44, 80, 12}, .hidden_dropout = 0.1, .attention_dropout = 0.1};
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    const auto weights = sample::attention_weights(shape, at::kFloat);
    const auto mlp = sample::mlp_weights(shape, at::kFloat);
    const PackedRows rows = sample::rows_of(shape.lengths);
    const Tensor x = leaf(shape, rows.places.size(0), at::kFloat);
    const Tensor middle = attention_block(x, rows, {}, weights, 4, 1e-12, sample::dropout_of(shape), false).hidden;
    backward(mlp_block(middle, rows, mlp, Activation::gelu, 1e-12, sample::dropout_of(shape)), 3);
    at::set_num_threads(1);
    std::vector<Tensor> all{x.grad()};
    for (const Weight* w : list(weights)) all.push_back(w->master.grad());
    for (const Weight* w : list(mlp)) all.push_back(w->master.grad());
    return all;
  };
  const auto one = run(1), two = run(2), again = run(2);
  for (std::size_t i = 0; i < one.size(); ++i) {
    CHECK(at::equal(two[i], again[i]));
    CHECK(relative(two[i], one[i]) < 1e-5);
  }
}

TEST_CASE("frozen weights get no gradient, and nothing is kept where nobody learns") {
  const Shape shape{.lengths = {6, 20}};
  auto weights = sample::attention_weights(shape, at::kFloat);
  weights.out.master.set_requires_grad(false);
  const PackedRows rows = sample::rows_of(shape.lengths);
  const Tensor x = leaf(shape, 26, at::kFloat).detach();
  backward(attention_block(x, rows, {}, weights, 4, 1e-12, {}, false).hidden, 1);
  CHECK(!weights.out.master.grad().defined());
  CHECK(weights.qkv.master.grad().defined());
  const at::NoGradGuard no_grad;
  CHECK(attention_block(x, rows, {}, weights, 4, 1e-12, {}, false).hidden.grad_fn() == nullptr);
}
