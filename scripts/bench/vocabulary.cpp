// One contender of scripts/bench/vocab_loss.sh: forward KL from hidden states over a vocabulary, forward and backward,
// in one walk. Prints one JSON object: seconds of each pass, peak memory above inputs and gradients, and what the walk
// gave, to be compared. `bench_vocabulary fp32|bf16 TILE_ROWS PASSES [TOKENS HIDDEN VOCABULARY]`
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <malloc.h>

#include <chrono>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "losses/vocabulary_head.h"

// MKL takes its fast path on every processor, as in cli/main.cpp.
extern "C" int mkl_serv_intel_cpu_true() { return 1; }

using namespace dsd;

namespace {

struct Shape {
  std::int64_t tokens = 1024, hidden = 1024, vocabulary = 129280;
};

// The numbers of vocab_loss_peer.py: even ones in a range, from a hash of their place.
Tensor numbers(std::int64_t rows, std::int64_t columns, double deviation, std::uint64_t seed) {
  Tensor values = at::empty({rows, columns}, at::kFloat);
  float* data = values.mutable_data_ptr<float>();
  const double range = deviation * std::sqrt(12.0);
  at::parallel_for(0, values.numel(), 65536, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::uint64_t x = static_cast<std::uint64_t>(i) + seed * 0x9E3779B97F4A7C15u;
      x ^= x >> 31;
      x *= 0xBF58476D1CE4E5B9u;
      x ^= x >> 29;
      data[i] = static_cast<float>((static_cast<double>(x >> 40) / 16777216.0 - 0.5) * range);
    }
  });
  return values;
}

double status_mib(const char* key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return std::atof(line.c_str() + std::string(key).size() + 1) / 1024;
  return NAN;
}

void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

struct Head {
  Weight weight;
  Scores scores;

  Head(const Shape& shape, bool bf16, bool trains, std::uint64_t seed) {
    weight.master = numbers(shape.vocabulary, shape.hidden, 1 / std::sqrt(static_cast<double>(shape.hidden)), seed);
    if (bf16) weight.shadow = weight.master.to(at::kBFloat16);
    scores = {
        .hidden = numbers(shape.tokens, shape.hidden, 1, seed + 1), .weight = &weight, .classes = shape.vocabulary};
    if (!trains) return;
    scores.hidden.set_requires_grad(true);
    weight.master.set_requires_grad(true);
    weight.master.mutable_grad() = at::zeros_like(weight.master);
  }
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: bench_vocabulary fp32|bf16 TILE_ROWS PASSES [N H V]\n"), 2;
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  const bool bf16 = std::string(argv[1]) == "bf16";
  const int passes = std::atoi(argv[3]);
  Shape shape;
  if (argc > 6) shape = {std::atoll(argv[4]), std::atoll(argv[5]), std::atoll(argv[6])};
  const Head student(shape, bf16, true, 1), other(shape, bf16, false, 3);
  const Target teacher = other.scores;
  const double temperature = 2, tokens = static_cast<double>(shape.tokens);
  const VocabularyWork work{.student = &student.scores,
                            .teacher = &teacher,
                            .terms = {.forward = static_cast<float>(temperature * temperature / tokens),
                                      .inverse_temperature = static_cast<float>(1 / temperature)},
                            .tile_rows = std::atoll(argv[2])};
  // The gradient of the hidden states is no extra either: it is there before the clock starts.
  student.scores.hidden.mutable_grad() = at::zeros_like(student.scores.hidden).detach();
  // MKL's own start-up, on other shapes than the walk's.
  at::mm(at::ones({64, 64}), at::ones({64, 64}));
  malloc_trim(0);
  const double before = status_mib("VmRSS:");
  reset_peak();
  std::string seconds;
  double loss = 0, hidden_norm = 0, weight_norm = 0;
  for (int pass = 0; pass <= passes; ++pass) {  // the first warms up
    student.weight.master.grad().zero_();
    student.scores.hidden.grad().zero_();
    const auto start = std::chrono::steady_clock::now();
    const Tensor value = vocabulary_loss(work, nullptr);
    value.backward();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    loss = value.item<double>();
    if (pass > 0) seconds += (pass > 1 ? ", " : "") + std::to_string(took.count());
  }
  const double extra = status_mib("VmHWM:") - before;
  hidden_norm = student.scores.hidden.grad().norm().item<double>();
  weight_norm = student.weight.master.grad().norm().item<double>();
  std::printf(
      "{\"seconds\": [%s], \"extra_mib\": %.1f, \"loss\": %.9g, \"hidden_gradient_norm\": %.9g, "
      "\"weight_gradient_norm\": %.9g, \"threads\": %d, \"bf16_instructions\": %s}\n",
      seconds.c_str(), extra, loss, hidden_norm, weight_norm, at::get_num_threads(),
      __builtin_cpu_supports("avx512bf16") ? "true" : "false");
  return 0;
}
