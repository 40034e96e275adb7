#pragma once
// The losses' settings: plain data, read from a recipe. Adding a loss is adding a struct here, an alternative to the
// variant of the role that it plays, a header and a source beside it, and a case in losses/factory.cpp.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/config/fields.h"
#include "losses/feature_configs.h"
#include "schedules/temperature_configs.h"

namespace dsd {

inline constexpr std::string_view kTSquaredHelp =
    "multiply by the temperature squared, so that gradients keep their size";
inline constexpr std::string_view kTeacherShareHelp = "the teacher's part in the mixture; the student has the rest";
inline constexpr Range kInnerShare{.min = 0.001, .max = 0.999};

// What is done with a teacher's classes where a label says that it is wrong: see losses/correction.h.
enum class TeacherCorrection { none, probability_shift, mft };
template <>
struct EnumNames<TeacherCorrection> {
  static constexpr std::array<std::pair<std::string_view, TeacherCorrection>, 3> names{
      {{"none", TeacherCorrection::none},
       {"probability_shift", TeacherCorrection::probability_shift},
       {"mft", TeacherCorrection::mft}}};
};

// What losses on classes may do to logits before they compare them; none of it over a vocabulary.
struct LogitsConfig {
  bool standardise = false;
  TeacherCorrection correct_teacher = TeacherCorrection::none;
  double margin = 0.2;
  static void fields(auto& self, auto& v) {
    v("standardise", self.standardise,
      "each row of logits less its mean, by its standard deviation, on both sides (Sun et al. 2024)");
    v("correct_teacher", self.correct_teacher,
      "where a label contradicts the teacher, swap its likeliest class with the label's (probability_shift), or lift "
      "the label's above all others, and where they agree lift it further (mft)");
    v("margin", self.margin, "by how much mft lifts the label's probability", Range{.min = 0, .max = 0.9});
  }
};

// Forward KL(teacher || student) of softened classes (Hinton et al. 2015, arXiv:1503.02531).
struct ForwardKlConfig {
  static constexpr std::string_view kind = "forward_kl";
  bool t_squared = true;
  LogitsConfig logits;
  static void fields(auto& self, auto& v) {
    v("t_squared", self.t_squared, kTSquaredHelp);
    LogitsConfig::fields(self.logits, v);
  }
};

// Cross-entropy of softened classes: forward KL and the teacher's entropy (Hinton et al. 2015, arXiv:1503.02531).
struct SoftCrossEntropyConfig {
  static constexpr std::string_view kind = "soft_cross_entropy";
  bool t_squared = true;
  LogitsConfig logits;
  static void fields(auto& self, auto& v) {
    v("t_squared", self.t_squared, kTSquaredHelp);
    LogitsConfig::fields(self.logits, v);
  }
};

// Reverse KL(student || teacher) of softened classes (Gu et al. 2023, arXiv:2306.08543).
struct ReverseKlConfig {
  static constexpr std::string_view kind = "reverse_kl";
  bool t_squared = true;
  LogitsConfig logits;
  static void fields(auto& self, auto& v) {
    v("t_squared", self.t_squared, kTSquaredHelp);
    LogitsConfig::fields(self.logits, v);
  }
};

// Generalised Jensen-Shannon divergence of softened classes (Agarwal et al. 2023, arXiv:2306.13649).
struct GeneralisedJsdConfig {
  static constexpr std::string_view kind = "generalised_jsd";
  double teacher_share = 0.5;
  bool continuous = false;
  bool t_squared = true;
  LogitsConfig logits;
  static void fields(auto& self, auto& v) {
    v("teacher_share", self.teacher_share, kTeacherShareHelp, kInnerShare);
    v("continuous", self.continuous,
      "divide by teacher_share (1 - teacher_share): forward KL as the share nears 0, reverse KL as it nears 1");
    v("t_squared", self.t_squared, kTSquaredHelp);
    LogitsConfig::fields(self.logits, v);
  }
};

// Forward KL to a mixture (Ko et al. 2024, arXiv:2402.03898).
struct SkewKlConfig {
  static constexpr std::string_view kind = "skew_kl";
  double teacher_share = 0.1;
  bool t_squared = true;
  LogitsConfig logits;
  static void fields(auto& self, auto& v) {
    v("teacher_share", self.teacher_share, kTeacherShareHelp, kInnerShare);
    v("t_squared", self.t_squared, kTSquaredHelp);
    LogitsConfig::fields(self.logits, v);
  }
};

// Reverse KL to a mixture (Ko et al. 2024, arXiv:2402.03898).
struct SkewReverseKlConfig {
  static constexpr std::string_view kind = "skew_reverse_kl";
  double teacher_share = 0.9;
  bool t_squared = true;
  LogitsConfig logits;
  static void fields(auto& self, auto& v) {
    v("teacher_share", self.teacher_share, kTeacherShareHelp, kInnerShare);
    v("t_squared", self.t_squared, kTSquaredHelp);
    LogitsConfig::fields(self.logits, v);
  }
};

// Total variation of softened classes (Wen et al. 2023, arXiv:2307.15190).
struct TotalVariationConfig {
  static constexpr std::string_view kind = "total_variation";
  LogitsConfig logits;
  static void fields(auto& self, auto& v) { LogitsConfig::fields(self.logits, v); }
};

// Forward KL to a target that moves from the student to the teacher (Shing et al. 2025, arXiv:2501.16937).
struct TaidConfig {
  static constexpr std::string_view kind = "taid";
  double from = 0.4;
  double to = 1.0;
  double rate = 5e-4;
  double momentum = 0.99;
  bool t_squared = true;
  static void fields(auto& self, auto& v) {
    v("from", self.from, "the teacher's part in the target's logits at the first step",
      Range{.min = 0, .max = 1, .open_min = true});
    v("to", self.to, "the most that it grows to; no step leaves it behind a straight line from `from` to `to`",
      Range{.min = 0, .max = 1, .open_min = true});
    v("rate", self.rate, "how fast it grows beyond that line while the loss falls; 0: the line alone", fraction);
    v("momentum", self.momentum, "of the mean of the loss's relative fall", Range{.min = 0, .max = 0.999999});
    v("t_squared", self.t_squared, kTSquaredHelp);
  }
};

// Decoupled KD: the target class and the others apart (Zhao et al. 2022, arXiv:2203.08679).
struct DecoupledKdConfig {
  static constexpr std::string_view kind = "decoupled_kd";
  static constexpr std::string_view over_vocabulary = "forward_kl";
  double target_weight = 1.0;
  double others_weight = 8.0;
  bool t_squared = true;
  LogitsConfig logits;
  static void fields(auto& self, auto& v) {
    v("target_weight", self.target_weight, "of the target class against all others (the paper's alpha)",
      Range{.min = 0});
    v("others_weight", self.others_weight, "of the classes beside the target among themselves (the paper's beta)",
      Range{.min = 0});
    v("t_squared", self.t_squared, kTSquaredHelp);
    LogitsConfig::fields(self.logits, v);
  }
};

// DIST: correlations within a row and within a column of a pool (Huang et al. 2022, arXiv:2205.10536).
struct DistConfig {
  static constexpr std::string_view kind = "dist";
  static constexpr std::string_view over_vocabulary = "forward_kl";
  static constexpr std::string_view one_temperature = "compares a pool's examples at one temperature";
  static constexpr bool compares_examples = true;
  double inter_weight = 1.0;
  double intra_weight = 1.0;
  bool t_squared = true;
  LogitsConfig logits;
  static void fields(auto& self, auto& v) {
    v("inter_weight", self.inter_weight, "of the correlation over the classes of each example (the paper's beta)",
      Range{.min = 0});
    v("intra_weight", self.intra_weight, "of the correlation over the examples of a pool for each class (gamma)",
      Range{.min = 0});
    v("t_squared", self.t_squared, "multiply by the temperature squared, as the authors do");
    LogitsConfig::fields(self.logits, v);
  }
};

// InfoNCE within a pool: each example is told by its own teacher's classes among those of the others (van den Oord et
// al. 2018, arXiv:1807.03748; Tian et al. 2020, arXiv:1910.10699).
struct ContrastiveConfig {
  static constexpr std::string_view kind = "contrastive";
  static constexpr std::string_view over_vocabulary = "forward_kl";
  static constexpr bool compares_examples = true;
  double contrast_temperature = 0.07;
  LogitsConfig logits;
  static void fields(auto& self, auto& v) {
    v("contrast_temperature", self.contrast_temperature,
      "what similarities are divided by; losses.temperature softens the classes", positive);
    LogitsConfig::fields(self.logits, v);
  }
};

// Mean squared error of logits against the teacher's (Kim et al. 2021, arXiv:2105.08919).
struct LogitMeanSquaredErrorConfig {
  static constexpr std::string_view kind = "mean_squared_error";
  static constexpr std::string_view over_vocabulary = "forward_kl";
  static constexpr std::string_view one_temperature = "softens nothing";
  bool standardise = false;
  ScheduleConfig teacher_scale = 1.0;
  static void fields(auto& self, auto& v) {
    v("standardise", self.standardise,
      "each row of logits less its mean, by its standard deviation, on both sides (Sun et al. 2024)");
    v("teacher_scale", self.teacher_scale,
      "what the teacher's logits are multiplied by: '0.1 -> 1 in 10 stages' anneals them (Jafari et al. 2021, "
      "arXiv:2104.07163)",
      positive);
  }
};

// Mean squared error of values against the labels.
struct MeanSquaredErrorConfig {
  static constexpr std::string_view kind = "mean_squared_error";
  static void fields(auto&, auto&) {}
};

struct CrossEntropyConfig {
  static constexpr std::string_view kind = "cross_entropy";
  double label_smoothing = 0.0;
  static void fields(auto& self, auto& v) {
    v("label_smoothing", self.label_smoothing, "share of the target spread evenly over the classes", fraction);
  }
};

using SoftLossConfig =
    std::variant<ForwardKlConfig, SoftCrossEntropyConfig, ReverseKlConfig, GeneralisedJsdConfig, SkewKlConfig,
                 SkewReverseKlConfig, TotalVariationConfig, TaidConfig, DecoupledKdConfig, DistConfig,
                 ContrastiveConfig, LogitMeanSquaredErrorConfig>;                 // against the teacher
using HardLossConfig = std::variant<CrossEntropyConfig, MeanSquaredErrorConfig>;  // against labels

// What a loss of the recipe says of itself by having a member of that name.
// The loss to use in its place over a vocabulary, or "" where it serves one.
inline std::string_view over_vocabulary_use(const SoftLossConfig& config) {
  return std::visit(
      []<class Config>(const Config&) {
        if constexpr (requires { Config::over_vocabulary; }) return Config::over_vocabulary;
        else return std::string_view();
      },
      config);
}
// Why no row can have a temperature of its own, or "" where each can.
inline std::string_view one_temperature(const SoftLossConfig& config) {
  return std::visit(
      []<class Config>(const Config&) {
        if constexpr (requires { Config::one_temperature; }) return Config::one_temperature;
        else return std::string_view();
      },
      config);
}
inline bool compares_examples(const SoftLossConfig& config) {
  return std::visit(
      []<class Config>(const Config&) {
        return requires { Config::compares_examples; };
      },
      config);
}
inline LogitsConfig logits_of(const SoftLossConfig& config) {
  return std::visit(
      []<class Config>(const Config& loss) {
        if constexpr (requires { loss.logits; }) return loss.logits;
        else if constexpr (requires { loss.standardise; }) return LogitsConfig{.standardise = loss.standardise};
        else return LogitsConfig{};
      },
      config);
}
// With fewer classes it would teach nothing: two standardised logits, like two classes' correlation, are always the
// same, and beside a target stands one class alone.
inline std::size_t least_classes(const SoftLossConfig& config) {
  const auto* dist = std::get_if<DistConfig>(&config);
  const auto* decoupled = std::get_if<DecoupledKdConfig>(&config);
  const bool idle = logits_of(config).standardise || (dist != nullptr && dist->intra_weight == 0) ||
                    (decoupled != nullptr && decoupled->target_weight == 0);
  return idle ? 3 : 2;
}
// Whether labels change it.
inline bool reads_labels(const SoftLossConfig& config) {
  return std::holds_alternative<DecoupledKdConfig>(config) ||
         logits_of(config).correct_teacher != TeacherCorrection::none;
}

struct LossesConfig {
  ScheduleConfig soft_weight = 0.7;
  ScheduleConfig hard_weight = 0.3;
  std::optional<TemperatureConfig> temperature;
  std::optional<SoftLossConfig> soft;
  std::optional<HardLossConfig> hard;
  std::vector<FeaturePart> features;
  std::optional<std::int64_t> pool;
  std::int64_t tile_rows = 256;
  static void fields(auto& self, auto& v) {
    v("soft_weight", self.soft_weight, "weight of the loss against the teacher; without a teacher it has no part",
      Range{.min = 0});
    v("hard_weight", self.hard_weight, "weight of the loss against the labels; without a teacher it counts as 1",
      Range{.min = 0});
    v("temperature", self.temperature,
      "softens teacher and student alike: a number, a schedule, or a kind that gives each row its own by how hard it "
      "is; null: 2.0 for a task with labels, 3.5 over a vocabulary");
    v("soft", self.soft, "loss against the teacher; null: forward_kl for classes, mean_squared_error for values");
    v("hard", self.hard, "loss against the labels; null: cross_entropy for classes, mean_squared_error for values");
    v("features", self.features,
      "losses on hidden states, attention and the like against the teacher's; without a teacher they have no part");
    v("pool", self.pool,
      "examples that dist and contrastive compare with one another: so many at a time, of one step and in one "
      "micro-batch; null: all of a step",
      Range{.min = 2});
    v("tile_rows", self.tile_rows,
      "over a vocabulary, rows whose scores are in memory at once, 8 bytes for each of its tokens: changes memory and "
      "speed, not results; 48 keeps 130,000 tokens below 50 MiB",
      Range{.min = 1, .max = 65536});
  }
};

// How many examples must stay together, whatever cuts a step; 1: none.
inline std::int64_t pool_size(const LossesConfig& losses, std::int64_t batch) {
  return losses.soft && compares_examples(*losses.soft) ? losses.pool.value_or(batch) : 1;
}

}  // namespace dsd
