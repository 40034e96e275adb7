// One forward KL from hidden states over a vocabulary, forward and backward, timed: prints a JSON object.
// `bench_vocab_loss ROWS HIDDEN CLASSES fp32|bf16 TILE_ROWS REPEATS [fixed|flsw|cwsm|entropy|class_difficulty]`
#include <ATen/ATen.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "losses/vocabulary_head.h"
#include "scripts/bench/memory.h"

// MKL takes its fast path on every processor, as in cli/main.cpp.
extern "C" int mkl_serv_intel_cpu_true() { return 1; }

using namespace dsd;

namespace {

Tensor numbers(std::vector<std::int64_t> shape, double deviation, std::uint64_t seed) {
  const std::int64_t count = shape[0] * shape[1];
  const auto values = normal_numbers(count, deviation, {.seed = seed, .purpose = Purpose::weights});
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat).clone();
}

// Of a second step: a mean is known, and rows differ.
RowTemperature rule_of(const std::string& kind) {
  RowTemperature rule{.entropy_temperature = 3, .base = 2, .slope = -1, .mean = 1, .least = 1, .most = 4};
  if (kind == "flsw") rule.measure = RowMeasure::unlikeness;
  if (kind == "cwsm") rule.measure = RowMeasure::uncertainty;
  if (kind == "entropy") rule.measure = RowMeasure::entropy;
  if (kind == "class_difficulty") rule.measure = RowMeasure::miss, rule.given = true;
  return rule;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7 && argc != 8) {
    std::fprintf(stderr,
                 "usage: bench_vocab_loss ROWS HIDDEN CLASSES fp32|bf16 TILE_ROWS REPEATS "
                 "[fixed|flsw|cwsm|entropy|class_difficulty]\n");
    return 2;
  }
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  const std::int64_t rows = std::atoll(argv[1]), hidden = std::atoll(argv[2]), classes = std::atoll(argv[3]);
  const bool bf16 = std::string(argv[4]) == "bf16";
  Weight student, teacher;
  student.master = numbers({classes, hidden}, 0.02, 1).requires_grad_();
  teacher.master = numbers({classes, hidden}, 0.02, 2);
  student.master.mutable_grad() = at::zeros_like(student.master);
  if (bf16) {
    student.shadow = student.master.detach().to(at::kBFloat16);
    teacher.shadow = teacher.master.to(at::kBFloat16);
  }
  Scores own, other;
  own.hidden = numbers({rows, hidden}, 1, 3).requires_grad_();
  own.weight = &student, own.classes = classes;
  other.hidden = numbers({rows, hidden}, 1, 4);
  other.weight = &teacher, other.classes = classes;
  const Target target = other;
  VocabularyWork work{.student = &own,
                      .teacher = &target,
                      .labels = {},
                      .terms = {.forward = 4.0f / static_cast<float>(rows), .inverse_temperature = 0.5f},
                      .tile_rows = std::atoll(argv[5])};
  work.rule = rule_of(argc == 8 ? argv[7] : "fixed");
  if (work.rule.measure != RowMeasure::none) {
    work.temperatures = at::full({rows}, 2, at::kFloat), work.difficulties = at::empty({rows}, at::kFloat);
    work.labels = at::arange(rows, at::kInt).remainder(classes);
  }
  const Tensor unused = at::zeros_like(own.hidden);  // the hidden states' gradient counts as an input
  malloc_trim(0);
  reset_peak_memory();
  const double before = memory_mib("VmHWM");
  std::vector<double> seconds;
  double loss = 0;
  for (int i = 0; i <= std::atoi(argv[6]); ++i) {
    own.hidden.mutable_grad() = Tensor();
    const auto begin = std::chrono::steady_clock::now();
    const Tensor value = vocabulary_loss(work, nullptr);
    value.backward();
    const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    loss = value.item<double>();
    if (i > 0) seconds.push_back(taken);  // the first maps its buffers
  }
  std::ranges::sort(seconds);
  const double median = seconds[seconds.size() / 2];
  std::printf("{\"tokens_per_second\": %.1f, \"seconds\": %.4f, \"extra_mib\": %.1f, \"loss\": %.6f}\n",
              static_cast<double>(rows) / median, median, memory_mib("VmHWM") - before, loss);
}
