// Milliseconds of processor time of an encoder's training step on one packed batch, whole and by part: where the time
// goes that is not spent in products of matrices. `bench_kernels [bf16] [length]`
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <malloc.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "core/model/blocks/encoder.h"
#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/bias_activation.h"
#include "kernels/gemm.h"
#include "kernels/residual_norm.h"

// MKL takes its fast path on every processor, as in cli/main.cpp.
extern "C" int mkl_serv_intel_cpu_true() { return 1; }

using namespace dsd;

namespace {

constexpr std::int64_t kHidden = 384, kInner = 1536, kHeads = 12, kWords = 30522;

// Processor time of all threads: on a machine that others use too, one thread's is steadier than any clock on the wall.
double now() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

double milliseconds(const std::function<void()>& body) {
  std::vector<double> times;
  for (int repeat = 0; repeat < 25; ++repeat) {
    const double start = now();
    body();
    times.push_back(now() - start);
  }
  std::nth_element(times.begin(), times.begin() + 12, times.end());
  return times[12];
}

void report(const char* name, double time) { std::printf("%-44s %8.3f ms\n", name, time); }

Weight make_weight(std::vector<std::int64_t> shape, bool trains, bool shadow) {
  static std::uint64_t seed = 0;
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  const double deviation = shape.size() == 2 ? 0.04 : 0.02;
  Weight weight;
  weight.master =
      at::tensor(normal_numbers(count, deviation, {.seed = ++seed, .purpose = Purpose::weights}), at::kFloat)
          .view(shape);
  if (shadow && shape.size() == 2) weight.shadow = weight.master.to(at::kBFloat16);
  if (trains) {
    weight.master.set_requires_grad(true);
    weight.master.mutable_grad() = at::zeros(shape);
  }
  return weight;
}

struct Layer {
  AttentionWeights attention;
  MlpWeights mlp;
};

struct Encoder {
  EmbeddingWeights embedding;
  std::vector<Layer> layers;

  Encoder(int depth, bool trains, bool shadow) {
    const auto make = [&](std::vector<std::int64_t> shape) { return make_weight(shape, trains, shadow); };
    embedding = {make_weight({kWords, kHidden}, trains, false), make_weight({512, kHidden}, trains, false),
                 make_weight({2, kHidden}, trains, false), make({kHidden}), make({kHidden})};
    embedding.words.row_gradient = std::make_shared<RowGradient>();
    for (int i = 0; i < depth; ++i) {
      layers.push_back({{make({3 * kHidden, kHidden}), make({3 * kHidden}), make({kHidden, kHidden}), make({kHidden}),
                         make({kHidden}), make({kHidden})},
                        {make({kInner, kHidden}), make({kInner}), make({kHidden, kInner}), make({kHidden}),
                         make({kHidden}), make({kHidden})}});
    }
  }

  std::vector<Weight*> dense() {
    std::vector<Weight*> all{&embedding.positions, &embedding.segments, &embedding.gain, &embedding.bias};
    for (Layer& l : layers) {
      for (Weight* w :
           {&l.attention.qkv, &l.attention.qkv_bias, &l.attention.out, &l.attention.out_bias, &l.attention.gain,
            &l.attention.bias, &l.mlp.up, &l.mlp.up_bias, &l.mlp.down, &l.mlp.down_bias, &l.mlp.gain, &l.mlp.bias}) {
        all.push_back(w);
      }
    }
    return all;
  }
};

struct Input {
  Sequences text;
  PackedRows rows, kept;
  Tensor firsts;
};

Input make_input(int mean) {
  std::vector<std::int32_t> offsets{0}, places, positions, firsts, ids;
  const auto noise = normal_numbers(32, 2, {.seed = 5});
  for (std::int32_t s = 0; s < 32; ++s) {
    const auto length = std::max(3, mean + static_cast<std::int32_t>(noise[static_cast<std::size_t>(s)]));
    firsts.push_back(offsets.back());
    for (std::int32_t i = 0; i < length; ++i) {
      places.push_back(s);
      positions.push_back(i);
      ids.push_back((s * 977 + i * i * 31 + 7) % 300 * 90);
    }
    offsets.push_back(offsets.back() + length);
  }
  Input input;
  input.rows = {at::tensor(offsets, at::kInt), at::tensor(places, at::kInt), at::tensor(positions, at::kInt)};
  input.firsts = at::tensor(firsts, at::kInt);
  input.text = {
      at::tensor(ids, at::kInt), input.rows.offsets, input.rows.positions, at::zeros_like(input.rows.places), {}};
  input.kept = {Tensor(), input.rows.places.index_select(0, input.firsts),
                input.rows.positions.index_select(0, input.firsts)};
  return input;
}

Tensor forward(const Encoder& encoder, const Input& input, double probability, bool prunes) {
  BlockDropout dropout{probability, probability, {.seed = 3, .purpose = Purpose::dropout}};
  Tensor x = embedding_block(input.text, input.rows, encoder.embedding, 1e-12, dropout, {});
  for (std::size_t i = 0; i < encoder.layers.size(); ++i) {
    const bool last = prunes && i + 1 == encoder.layers.size();
    dropout.key.layer = static_cast<std::uint32_t>(2 * i + 1);
    x = attention_block(x, input.rows, last ? input.firsts : Tensor(), encoder.layers[i].attention, kHeads, 1e-12,
                        dropout, false)
            .hidden;
    dropout.key.layer = static_cast<std::uint32_t>(2 * i + 2);
    x = mlp_block(x, last ? input.kept : input.rows, encoder.layers[i].mlp, Activation::gelu, 1e-12, dropout);
  }
  return x;
}

// The products of one layer's forward, and of its backward, on buffers of their own.
double product_time(std::int64_t rows, at::ScalarType type, bool backward) {
  const auto random = [&](std::int64_t n, std::int64_t m) { return (at::ones({n, m}) * 0.01).to(type); };
  const std::vector<std::pair<std::int64_t, std::int64_t>> shapes{
      {3 * kHidden, kHidden}, {kHidden, kHidden}, {kInner, kHidden}, {kHidden, kInner}};
  double total = 0;
  for (const auto& [n, k] : shapes) {
    const Tensor x = random(rows, k), w = random(n, k), dy = random(rows, n), y = at::empty({rows, n}, at::kFloat),
                 dx = at::empty({rows, k}, at::kFloat), dw = at::zeros({n, k});
    if (backward) {
      total += milliseconds([&] { gemm(dy, w, dx, false); }) + milliseconds([&] { gemm(dy.t(), x, dw, true); });
    } else {
      total += milliseconds([&] { gemm(x, w.t(), y, false); });
    }
  }
  return total;
}

void parts(const Input& input, at::ScalarType type, double probability) {
  const std::int64_t rows = input.rows.places.size(0);
  const Dropout dropout = make_dropout(probability, {.seed = 1});
  const Tensor qkv = at::randn({rows, 3 * kHidden}), bias = at::zeros({3 * kHidden}), gain = at::ones({kHidden});
  AttentionInput work{qkv.narrow(1, 0, kHidden),
                      qkv.narrow(1, kHidden, kHidden),
                      qkv.narrow(1, 2 * kHidden, kHidden),
                      bias,
                      input.rows.offsets,
                      input.rows.places,
                      {},
                      kHeads,
                      dropout};
  Tensor softmax;
  report("  attention forward", milliseconds([&] { attention(work, &softmax, type); }));
  const Tensor d = at::randn({rows, kHidden}), d_qkv = at::empty({rows, 3 * kHidden}, type);
  const AttentionGradients to{d_qkv.narrow(1, 0, kHidden), d_qkv.narrow(1, kHidden, kHidden),
                              d_qkv.narrow(1, 2 * kHidden, kHidden), at::zeros({3 * kHidden})};
  report("  attention backward", milliseconds([&] { attention_backward(d, work, softmax, to); }));
  const Tensor x = at::randn({rows, kHidden}), branch = at::randn({rows, kHidden});
  const Tensor zeros = at::zeros({kHidden}), more = at::zeros({kHidden});
  ResidualNorm norm{x,     {},     branch, more, gain, zeros, input.rows.places, input.rows.positions, NormKind::layer,
                    1e-12, dropout};
  NormSaved saved;
  report("  norm forward", milliseconds([&] { residual_norm(norm, &saved); }));
  report("  norm backward", milliseconds([&] { residual_norm_backward(x, norm, saved, type, {gain, zeros, more}); }));
  const Tensor up = at::randn({rows, kInner}), up_bias = at::zeros({kInner});
  report("  gelu forward", milliseconds([&] { bias_activation(up, up_bias, Activation::gelu, true, type); }));
  report("  gelu backward", milliseconds([&] { bias_activation_backward(up, up, type, up_bias); }));
}

}  // namespace

int main(int argc, char** argv) {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  const bool bf16 = argc > 1 && std::string(argv[1]) == "bf16";
  const Input input = make_input(argc > 2 ? std::atoi(argv[2]) : 13);
  const at::ScalarType type = bf16 ? at::kBFloat16 : at::kFloat;
  const std::int64_t tokens = input.rows.places.size(0);
  std::printf("%d threads, %s products, %lld tokens\n", at::get_num_threads(), bf16 ? "bf16" : "fp32",
              static_cast<long long>(tokens));
  Encoder teacher(6, false, bf16), student(2, true, bf16);
  {
    const at::NoGradGuard no_grad;
    report("teacher, 6 layers", milliseconds([&] { forward(teacher, input, 0, false); }));
    report("teacher, 6 layers, last pruned", milliseconds([&] { forward(teacher, input, 0, true); }));
  }
  const double products = product_time(tokens, type, false);
  report("  products of one layer forward", products);
  report("  products of one layer backward", product_time(tokens, type, true));
  const Tensor factors = at::randn({tokens, kHidden});
  for (const double probability : {0.0, 0.1}) {
    std::printf("dropout %.1f\n", probability);
    for (const bool prunes : {false, true}) {
      Tensor out;
      const double both = milliseconds([&] {
        out = forward(student, input, probability, prunes);
        out.backward(factors.narrow(0, 0, out.size(0)));
        student.embedding.words.row_gradient->rows.clear();
        student.embedding.words.row_gradient->slot.clear();
      });
      const double one = milliseconds([&] { out = forward(student, input, probability, prunes); });
      report(prunes ? "student forward, pruned" : "student forward", one);
      report(prunes ? "student backward, pruned" : "student backward", both - one);
    }
    parts(input, type, probability);
  }
  std::vector<Weight*> weights = student.dense();
  std::vector<Tensor> means, squares;
  for (Weight* w : weights) {
    means.push_back(at::zeros_like(w->master).detach());
    squares.push_back(at::zeros_like(w->master).detach());
  }
  const at::NoGradGuard no_grad;
  report("AdamW of all but the words, and zeroing", milliseconds([&] {
           for (std::size_t i = 0; i < weights.size(); ++i) {
             adamw_dense(weights[i]->master, means[i], squares[i], weights[i]->master.grad(), 1, weights[i]->shadow, {},
                         {0.999f, 1e-4f, 1.0f}, true);
           }
         }));
  return 0;
}
