// Prefill and decoding of a preset's model with random weights: prints a JSON object.
// `bench_article PRESET LENGTH NEW_TOKENS REPEATS [model.KEY=VALUE...]`
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/eval/generator.h"
#include "core/model/parameter_counts.h"
#include "core/model/preset_config.h"
#include "scripts/bench/memory.h"

// MKL takes its fast path on every processor, as in cli/main.cpp.
extern "C" int mkl_serv_intel_cpu_true() { return 1; }

using namespace dsd;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void run(char** argv, std::span<const std::string> overrides) {
  const std::int64_t length = std::atoll(argv[2]), fresh = std::atoll(argv[3]), repeats = std::atoll(argv[4]);
  const auto path = find_preset(argv[1]);
  ModelConfig config = config_of(load_preset(path, overrides), path.string());
  const auto model = random_model(config, {.head = HeadKind::next_token, .trainable = false}, {.seed = 1});
  const ParameterCounts counts = parameter_counts(config, HeadKind::next_token);
  std::vector<std::int32_t> prompt(static_cast<std::size_t>(length));
  for (std::size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<std::int32_t>(i * 7919 % static_cast<std::size_t>(vocab_size(config.family)));
  reset_peak_memory();
  const double before = memory_mib("VmRSS");
  std::vector<double> prefill, decoding;
  for (std::int64_t repeat = 0; repeat <= repeats; ++repeat) {
    const auto begin = Clock::now();
    double read = 0;
    generate(*model, {prompt}, {.new_tokens = fresh + 1}, 0, [&](std::size_t, std::int32_t) {
      if (read == 0) read = seconds_since(begin);
      return true;
    });
    if (repeat == 0) continue;
    prefill.push_back(static_cast<double>(length) / read);
    decoding.push_back(static_cast<double>(fresh) / (seconds_since(begin) - read));
  }
  std::printf(
      "{\"stored\": %lld, \"effective\": %lld, \"weights_mib\": %.1f, \"activations_mib\": %.1f, \"prefill\": %.1f, "
      "\"decoding\": %.1f}\n",
      static_cast<long long>(counts.stored), static_cast<long long>(counts.effective),
      static_cast<double>(counts.stored) * 4 / (1 << 20), memory_mib("VmHWM") - before, median(prefill),
      median(decoding));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: bench_article PRESET LENGTH NEW_TOKENS REPEATS [model.KEY=VALUE...]\n");
    return 2;
  }
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  try {
    run(argv, std::vector<std::string>(argv + 5, argv + argc));
  } catch (const Error& error) {
    std::fprintf(stderr, "bench_article: error: %s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
