#pragma once
// A recipe of every kind of field, for tests of the reader, the writer and the rest.

#include <doctest/doctest.h>

#include <charconv>
#include <cmath>

#include "core/base/error.h"
#include "core/config/overrides.h"
#include "core/config/reader.h"

template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static String convert(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) text += "\n    " + line;
    return text.c_str();
  }
};

namespace dsd::sample {

struct ForwardKl {
  static constexpr std::string_view kind = "forward_kl";
  double temperature = 1.0;
  static void fields(auto& self, auto& v) { v("temperature", self.temperature, "softens", positive); }
};

struct HiddenMse {
  static constexpr std::string_view kind = "hidden_mse";
  std::vector<std::int64_t> layers;
  static void fields(auto& self, auto& v) { v("layers", self.layers, "to match", Range{.min = 0}); }
};

struct Plain {
  static constexpr std::string_view kind = "plain";
  static void fields(auto&, auto&) {}
};

// A length of time with a grammar of its own: "90 s", "3 min", or a number of seconds.
struct Duration {
  double seconds = 60;
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> forms{
      {{"90", "seconds"}, {"3 min", "minutes"}}};
  static constexpr Grammar grammar{.name = "number or duration", .example = "3 min", .forms = forms};
  std::optional<GrammarFault> read(std::string_view text, const Range& range) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return GrammarFault{};
    const auto rest = text.substr(static_cast<std::size_t>(end - text.data()));
    if (!rest.empty() && rest != " min")
      return GrammarFault{1 + text.size() - rest.size(), "must be ' min' or the end"};
    if (auto fault = range_fault(range, number, text)) return GrammarFault{0, *fault};
    seconds = rest.empty() ? number : 60 * number;
    return std::nullopt;
  }
  std::string text() const {
    return std::fmod(seconds, 60) == 0 ? number_text(seconds / 60) + " min" : number_text(seconds);
  }
};

struct Steady {
  static constexpr std::string_view kind = "steady", shorthand = "pause";
  Duration pause;
  static void fields(auto& self, auto& v) { v("pause", self.pause, "each time", positive); }
};

struct Growing {
  static constexpr std::string_view kind = "growing";
  double factor = 2.0;
  static void fields(auto& self, auto& v) { v("factor", self.factor, "of the pause before", positive); }
};

using Waiting = std::variant<Growing, Steady>;
using Loss = std::variant<ForwardKl, HiddenMse, Plain>;

struct WeightedLoss {
  double weight = 1.0;
  Loss loss;
  static void fields(auto& self, auto& v) {
    v("weight", self.weight, "multiplies", Range{.min = 0});
    v("loss", self.loss, "which");
  }
};

struct Optimizer {
  double lr = 3e-4;
  double weight_decay = 0.01;
  std::optional<double> clip_norm;
  static void fields(auto& self, auto& v) {
    v("lr", self.lr, "peak", positive);
    v("weight_decay", self.weight_decay, "decay", fraction);
    v("clip_norm", self.clip_norm, "bound", positive);
  }
};

enum class Dtype { fp32, bf16 };

}  // namespace dsd::sample

template <>
struct dsd::EnumNames<dsd::sample::Dtype> {
  static constexpr std::array<std::pair<std::string_view, sample::Dtype>, 2> names{
      {{"fp32", sample::Dtype::fp32}, {"bf16", sample::Dtype::bf16}}};
};

namespace dsd::sample {

struct Config {
  std::string teacher, student;
  std::int64_t steps = 1000, seed = 0;
  bool resume = false;
  Dtype dtype = Dtype::fp32;
  Optimizer optimizer = {};
  std::vector<WeightedLoss> losses = {};
  std::vector<std::string> labels = {};
  Loss main = ForwardKl{.temperature = 4.0};
  std::optional<Loss> extra = {};
  Duration patience = {};
  std::optional<Duration> pause = {};
  Waiting waiting = Growing{};
  std::optional<Waiting> again = {};
  static void fields(auto& self, auto& v) {
    v("teacher", self.teacher, "frozen", required);
    v("student", self.student, "trained", required);
    v("steps", self.steps, "steps", positive);
    v("seed", self.seed, "seed", Range{.min = 0});
    v("resume", self.resume, "go on");
    v("dtype", self.dtype, "precision");
    v("optimizer", self.optimizer, "settings");
    v("losses", self.losses, "terms");
    v("labels", self.labels, "names");
    v("main", self.main, "a choice with a default");
    v("extra", self.extra, "a choice that may be absent");
    v("patience", self.patience, "how long to wait", positive);
    v("pause", self.pause, "between two tries");
    v("waiting", self.waiting, "a choice with a shorthand");
    v("again", self.again, "the same, which may be absent");
  }
};

// Reads, and gives the faults' lines; `config` keeps what could be read.
inline std::vector<std::string> faults_of(std::string_view text, Config& config,
                                          const std::vector<std::string>& overrides = {}) {
  Diagnostics faults("bad.yaml", overrides);
  if (auto tree = parse_yaml(text, 0, faults)) {
    apply_overrides(*tree, overrides, faults);
    read_tree(*tree, describe_fields(config), "the recipe", faults);
  }
  return faults.lines();
}

inline std::vector<std::string> faults_of(std::string_view text, const std::vector<std::string>& overrides = {}) {
  Config config;
  return faults_of(text, config, overrides);
}

inline Config read(std::string_view text, const std::vector<std::string>& overrides = {}) {
  Config config;
  const auto faults = faults_of(text, config, overrides);
  for (const auto& fault : faults) MESSAGE(fault);
  REQUIRE(faults.empty());
  return config;
}

}  // namespace dsd::sample
