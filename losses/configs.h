#pragma once
// The losses' settings: plain data, read from a recipe. Adding a loss is adding a struct here, an alternative to the
// variant of the role that it plays, a header and a source beside it, and a case in losses/factory.cpp.

#include <cstdint>
#include <optional>
#include <variant>

#include "core/config/fields.h"
#include "schedules/temperature_configs.h"

namespace dsd {

// Forward KL(teacher || student) of softened classes (Hinton et al. 2015, arXiv:1503.02531).
struct ForwardKlConfig {
  static constexpr std::string_view kind = "forward_kl";
  bool t_squared = true;
  static void fields(auto& self, auto& v) {
    v("t_squared", self.t_squared, "multiply by the temperature squared, so that gradients keep their size");
  }
};

// Reverse KL(student || teacher) of softened classes (Gu et al. 2023, arXiv:2306.08543).
struct ReverseKlConfig {
  static constexpr std::string_view kind = "reverse_kl";
  bool t_squared = true;
  static void fields(auto& self, auto& v) {
    v("t_squared", self.t_squared, "multiply by the temperature squared, so that gradients keep their size");
  }
};

// Generalised Jensen-Shannon divergence of softened classes (Agarwal et al. 2023, arXiv:2306.13649).
struct GeneralisedJsdConfig {
  static constexpr std::string_view kind = "generalised_jsd";
  double teacher_share = 0.5;
  bool continuous = false;
  bool t_squared = true;
  static void fields(auto& self, auto& v) {
    v("teacher_share", self.teacher_share, "the teacher's part in the mixture that both are compared with",
      Range{.min = 0.001, .max = 0.999});
    v("continuous", self.continuous,
      "divide by teacher_share (1 - teacher_share): forward KL as the share nears 0, reverse KL as it nears 1");
    v("t_squared", self.t_squared, "multiply by the temperature squared, so that gradients keep their size");
  }
};

// Mean squared error: on logits against the teacher, or on values against the labels.
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

using SoftLossConfig = std::variant<ForwardKlConfig, ReverseKlConfig, GeneralisedJsdConfig,
                                    MeanSquaredErrorConfig>;                      // against the teacher
using HardLossConfig = std::variant<CrossEntropyConfig, MeanSquaredErrorConfig>;  // against labels

struct LossesConfig {
  ScheduleConfig soft_weight = 0.7;
  ScheduleConfig hard_weight = 0.3;
  std::optional<TemperatureConfig> temperature;
  std::optional<SoftLossConfig> soft;
  std::optional<HardLossConfig> hard;
  std::int64_t tile_rows = 256;
  static void fields(auto& self, auto& v) {
    v("soft_weight", self.soft_weight, "weight of the loss against the teacher; without a teacher it has no part",
      Range{.min = 0});
    v("hard_weight", self.hard_weight, "weight of the loss against the labels; without a teacher it counts as 1",
      Range{.min = 0});
    v("temperature", self.temperature,
      "softens teacher and student alike: a number, a schedule, or a kind that gives each row its own by how hard it "
      "is; "
      "null: 2.0 for a task with labels, 3.5 over a vocabulary");
    v("soft", self.soft, "loss against the teacher; null: forward_kl for classes, mean_squared_error for values");
    v("hard", self.hard, "loss against the labels; null: cross_entropy for classes, mean_squared_error for values");
    v("tile_rows", self.tile_rows,
      "over a vocabulary, rows whose scores are in memory at once, 8 bytes for each of its tokens: changes memory and "
      "speed, not results; 48 keeps 130,000 tokens below 50 MiB",
      Range{.min = 1, .max = 65536});
  }
};

}  // namespace dsd
