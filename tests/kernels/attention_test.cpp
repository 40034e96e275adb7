// Attention against softmax(q k^T / sqrt(D)) v in float64 with autograd, each sequence and head alone.
#include "kernels/attention.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tests/kernels/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

struct Case {
  std::vector<std::int32_t> lengths;
  std::int64_t heads, width;
  std::vector<std::int32_t> query_rows;  // empty: all
  double dropout;
};

struct Packed {
  at::Tensor qkv, bias, offsets, places, query_rows;
};

Packed pack(const Case& of) {
  std::vector<std::int32_t> offsets{0}, places;
  for (std::size_t s = 0; s < of.lengths.size(); ++s) {
    offsets.push_back(offsets.back() + of.lengths[s]);
    places.insert(places.end(), static_cast<std::size_t>(of.lengths[s]), static_cast<std::int32_t>(3 * s + 1));
  }
  const std::int64_t hidden = of.heads * of.width;
  return {sample::numbers({offsets.back(), 3 * hidden}, 1), sample::numbers({3 * hidden}, 2),
          at::tensor(offsets, at::kInt), at::tensor(places, at::kInt),
          of.query_rows.empty() ? at::Tensor() : at::tensor(of.query_rows, at::kInt)};
}

// One sequence, head after head; rows of queries as indexes into the sequence.
at::Tensor reference(const at::Tensor& qkv, const at::Tensor& queries, std::int32_t place, const Case& of,
                     const Dropout& dropout) {
  const std::int64_t hidden = of.heads * of.width;
  const at::Tensor mask = attention_dropout_mask(dropout, at::tensor({place}, at::kInt), queries.view({1, -1}),
                                                 of.heads, qkv.size(0), qkv.options());
  std::vector<at::Tensor> heads;
  for (std::int64_t head = 0; head < of.heads; ++head) {
    const auto part = [&](std::int64_t which) { return qkv.narrow(1, which * hidden + head * of.width, of.width); };
    const at::Tensor scores = at::mm(part(0).index_select(0, queries), part(1).t()) / std::sqrt(double(of.width));
    heads.push_back(at::mm(at::softmax(scores, 1) * mask[0][head], part(2)));
  }
  return at::cat(heads, 1);
}

void check(const Case& of, const cpu::Functions& functions) {
  const Packed packed = pack(of);
  const std::int64_t hidden = of.heads * of.width, tokens = packed.qkv.size(0);
  const Dropout dropout = make_dropout(of.dropout, {.seed = 4, .purpose = Purpose::dropout});
  const at::Tensor exact = (packed.qkv.to(at::kDouble) + packed.bias.to(at::kDouble)).requires_grad_();
  const at::Tensor rows = packed.query_rows.defined() ? packed.query_rows : at::arange(tokens, at::kInt);
  std::vector<at::Tensor> parts;
  for (std::size_t s = 0; s < of.lengths.size(); ++s) {
    const std::int32_t first = packed.offsets[static_cast<std::int64_t>(s)].item<std::int32_t>();
    const at::Tensor inside = rows.masked_select((rows >= first).logical_and(rows < first + of.lengths[s])) - first;
    parts.push_back(
        reference(exact.narrow(0, first, of.lengths[s]), inside, static_cast<std::int32_t>(3 * s + 1), of, dropout));
  }
  const at::Tensor expected = at::cat(parts, 0);

  AttentionInput input{packed.qkv.narrow(1, 0, hidden),
                       packed.qkv.narrow(1, hidden, hidden),
                       packed.qkv.narrow(1, 2 * hidden, hidden),
                       packed.bias,
                       packed.offsets,
                       packed.places,
                       packed.query_rows,
                       of.heads,
                       dropout};
  if (packed.query_rows.defined()) input.queries = input.queries.index_select(0, packed.query_rows);
  at::Tensor softmax;
  const at::Tensor out = attention(input, &softmax, at::kFloat, functions);
  CHECK(sample::relative(out, expected) < 3e-6);
  CHECK(at::equal(attention(input, nullptr, at::kBFloat16, functions), out.to(at::kBFloat16)));

  const at::Tensor gradient = sample::numbers({rows.size(0), hidden}, 9);
  expected.backward(gradient.to(at::kDouble));
  const at::Tensor d_qkv = at::empty_like(packed.qkv), d_bias = at::ones({3 * hidden});
  AttentionGradients to{d_qkv.narrow(1, 0, hidden), d_qkv.narrow(1, hidden, hidden),
                        d_qkv.narrow(1, 2 * hidden, hidden), d_bias};
  if (packed.query_rows.defined()) to.queries = at::empty_like(input.queries);
  attention_backward(gradient, input, softmax, to, functions);
  const at::Tensor d_exact = exact.grad();
  CHECK(sample::relative(to.queries, d_exact.narrow(1, 0, hidden).index_select(0, rows)) < 1e-5);
  CHECK(sample::relative(to.keys, d_exact.narrow(1, hidden, hidden)) < 1e-5);
  CHECK(sample::relative(to.values, d_exact.narrow(1, 2 * hidden, hidden)) < 1e-5);
  CHECK(sample::relative(d_bias, d_exact.sum(0) + 1) < 1e-5);
}

}  // namespace

TEST_CASE("attention by head width, length, rows of queries and dropout") {
  sample::each_isa([](const cpu::Functions& functions) {
    for (const double dropout : {0.0, 0.3}) {
      for (const std::int64_t width : {1, 16, 26, 32, 40, 64, 128}) {
        CAPTURE(width);
        check({{5, 1, 33, 16}, 3, width, {}, dropout}, functions);
        check({{5, 1, 33, 16}, 3, width, {0, 5, 7, 30, 31, 54}, dropout}, functions);  // none of the second
      }
      check({{600}, 1, 32, {}, dropout}, functions);
      check({{1}, 2, 32, {}, dropout}, functions);
      check({{1, 1, 1}, 2, 32, {1}, dropout}, functions);
      check({{130, 2}, 2, 16, {0, 64, 65, 129, 130}, dropout}, functions);
    }
  });
}

TEST_CASE("scores far apart neither overflow nor vanish") {
  sample::each_isa([](const cpu::Functions& functions) {
    at::Tensor qkv = at::zeros({3, 48});
    qkv.select(1, 0).copy_(at::tensor({100.0f, -100.0f, 0.0f}));
    qkv.select(1, 16).copy_(at::tensor({400.0f, 0.0f, -400.0f}));
    qkv.narrow(1, 32, 16).copy_(sample::numbers({3, 16}, 1));
    const AttentionInput input{qkv.narrow(1, 0, 16),
                               qkv.narrow(1, 16, 16),
                               qkv.narrow(1, 32, 16),
                               {},
                               at::tensor({0, 3}, at::kInt),
                               {},
                               {},
                               1,
                               {}};
    const at::Tensor out = attention(input, nullptr, at::kFloat, functions), values = qkv.narrow(1, 32, 16);
    CHECK(at::equal(out[0], values[0]));  // score 10,000 beside 0 and -10,000
    CHECK(at::equal(out[1], values[2]));
    CHECK(sample::relative(out[2], values.mean(0)) < 1e-6);
  });
}
