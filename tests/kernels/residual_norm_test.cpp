#include "kernels/residual_norm.h"

#include <ATen/ATen.h>

#include "tests/kernels/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

constexpr std::int64_t kRows = 21;

at::Tensor exact_norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, NormKind kind) {
  if (kind == NormKind::layer) return at::layer_norm(x, {x.size(1)}, gain, bias, 1e-6);
  const at::Tensor normal = x * (x.square().mean(1, true) + 1e-6).rsqrt() * gain;
  return bias.defined() ? normal + bias : normal;
}

at::Tensor exact_leaf(const at::Tensor& of) { return of.to(at::kDouble).requires_grad_(); }

void check(std::int64_t width, NormKind kind, double probability, bool some_rows, const cpu::Functions& functions) {
  const at::Tensor residual = sample::numbers({some_rows ? 30 : kRows, width}, 1) + 3;
  const at::Tensor rows = some_rows ? at::arange(kRows, at::kInt) + 4 : at::Tensor();
  const at::Tensor branch = sample::numbers({kRows, width}, 2), branch_bias = sample::numbers({width}, 3);
  const at::Tensor gain = sample::numbers({width}, 4),
                   bias = kind == NormKind::layer ? sample::numbers({width}, 5) : at::Tensor();
  const at::Tensor places = at::arange(kRows, at::kInt) + 2, positions = at::arange(kRows, at::kInt) * 3;
  const Dropout dropout = make_dropout(probability, {.seed = 6, .purpose = Purpose::dropout});

  const at::Tensor r = exact_leaf(residual), b = exact_leaf(branch), bb = exact_leaf(branch_bias), g = exact_leaf(gain);
  const at::Tensor s = bias.defined() ? exact_leaf(bias) : at::Tensor();
  const at::Tensor mask = dropout_mask(dropout, places, positions, width, at::kDouble);
  const at::Tensor chosen = some_rows ? r.index_select(0, rows) : r;
  const at::Tensor expected = exact_norm(chosen + (b + bb) * mask, g, s, kind);
  const at::Tensor gradient = sample::numbers({kRows, width}, 9);
  expected.backward(gradient.to(at::kDouble));

  ResidualNorm work{residual, rows, branch.clone(), branch_bias, gain, bias, places, positions, kind, 1e-6, dropout};
  NormSaved saved;
  const at::Tensor out = residual_norm(work, &saved, functions);
  CHECK(sample::relative(out, expected) < 2e-6);
  const at::Tensor d_gain = at::ones({width}), d_bias = bias.defined() ? at::ones({width}) : at::Tensor(),
                   d_branch_bias = at::ones({width});
  const auto to = residual_norm_backward(gradient, work, saved, at::kFloat, {d_gain, d_bias, d_branch_bias}, functions);
  const at::Tensor d_residual = some_rows ? r.grad().index_select(0, rows) : r.grad();
  CHECK(sample::relative(to.residual, d_residual) < 5e-6);
  CHECK(sample::relative(to.branch, b.grad()) < 5e-6);
  CHECK(sample::relative(d_gain, g.grad() + 1) < 5e-6);
  if (bias.defined()) CHECK(sample::relative(d_bias, s.grad() + 1) < 5e-6);
  CHECK(sample::relative(d_branch_bias, bb.grad() + 1) < 5e-6);
  const auto rounded = residual_norm_backward(gradient, work, saved, at::kBFloat16, {}, functions);
  CHECK(at::equal(rounded.branch, to.branch.to(at::kBFloat16)));
  CHECK(at::equal(rounded.residual, to.residual));
  work.branch = branch.clone();
  CHECK(at::equal(residual_norm(work, nullptr, functions), out));
}

}  // namespace

TEST_CASE("norm of a residual sum by width, kind, dropout and rows") {
  sample::each_isa([](const cpu::Functions& functions) {
    for (const std::int64_t width : {5, 16, 20, 64, 129, 312, 384, 768}) {
      for (const NormKind kind : {NormKind::layer, NormKind::root_mean_square}) {
        for (const double probability : {0.0, 0.3}) {
          CAPTURE(width);
          CAPTURE(probability);
          check(width, kind, probability, false, functions);
          check(width, kind, probability, true, functions);
        }
      }
    }
  });
}

TEST_CASE("embeddings: sum, norm and dropout of the output") {
  sample::each_isa([](const cpu::Functions& functions) {
    for (const std::int64_t width : {24, 312}) {
      for (const double probability : {0.0, 0.3}) {
        const at::Tensor words = sample::numbers({12, width}, 1), table = sample::numbers({50, width}, 2),
                         segments = sample::numbers({2, width}, 3), gain = sample::numbers({width}, 4),
                         bias = sample::numbers({width}, 5);
        const at::Tensor ids = at::arange(kRows, at::kInt).remainder(12).to(at::kInt),
                         positions = at::arange(kRows, at::kInt) * 2,
                         segment = at::arange(kRows, at::kInt).remainder(2).to(at::kInt),
                         places = at::arange(kRows, at::kInt);
        const Dropout dropout = make_dropout(probability, {.seed = 6, .purpose = Purpose::dropout});
        const at::Tensor w = exact_leaf(words.index_select(0, ids)), g = exact_leaf(gain), b = exact_leaf(bias);
        const at::Tensor sum =
            w + table.index_select(0, positions).to(at::kDouble) + segments.index_select(0, segment).to(at::kDouble);
        const at::Tensor expected =
            exact_norm(sum, g, b, NormKind::layer) * dropout_mask(dropout, places, positions, width, at::kDouble);
        const at::Tensor gradient = sample::numbers({kRows, width}, 9);
        expected.backward(gradient.to(at::kDouble));
        const EmbeddingNorm work{words, table, segments, ids, positions, segment, places, gain, bias, 1e-6, dropout};
        NormSaved saved;
        const at::Tensor out = embedding_norm(work, &saved, functions);
        CHECK(sample::relative(out, expected) < 2e-6);
        CHECK(at::equal(embedding_norm(work, nullptr, functions), out));
        const at::Tensor d_gain = at::zeros({width}), d_bias = at::zeros({width});
        const at::Tensor d = embedding_norm_backward(gradient, work, saved, {d_gain, d_bias, {}}, functions);
        CHECK(sample::relative(d, w.grad()) < 5e-6);
        CHECK(sample::relative(d_gain, g.grad()) < 5e-6);
        CHECK(sample::relative(d_bias, b.grad()) < 5e-6);
      }
    }
  });
}
