#pragma once
// The temperature's settings: one number for all rows, or each row its own by how hard it is. Plain data; the formulas
// and their papers are in losses/temperature.h. Adding a kind is adding a struct here and a case in
// losses/temperature.cpp.

#include <variant>

#include "schedules/configs.h"

namespace dsd {

enum class Direction { harder_softer, harder_sharper };
template <>
struct EnumNames<Direction> {
  static constexpr std::array<std::pair<std::string_view, Direction>, 2> names{
      {{"harder_softer", Direction::harder_softer}, {"harder_sharper", Direction::harder_sharper}}};
};

struct ScheduledTemperature {
  static constexpr std::string_view kind = "scheduled", shorthand = "value";
  ScheduleConfig value = 2.0;
  static void fields(auto& self, auto& v) { v("value", self.value, "of every row", positive); }
};

// What the kinds share that measure how hard a row is.
struct AdaptiveTemperature {
  ScheduleConfig base = 2.0;
  double strength = 1.0;
  Direction direction = Direction::harder_sharper;
  double min = 0.5;
  double max = 20.0;
  double memory = 0.9;
  static void fields(auto& self, auto& v) {
    v("base", self.base, "temperature of a row that is as hard as the mean, and of all rows in the first step",
      positive);
    v("strength", self.strength, "temperature = base +- strength (difficulty - its mean)", Range{.min = 0});
    v("direction", self.direction, "whether a row harder than the mean gets a higher temperature or a lower one");
    v("min", self.min, "no temperature is lower", positive);
    v("max", self.max, "no temperature is higher", positive);
    v("memory", self.memory, "the mean over the steps before keeps so much of itself at each step",
      Range{.min = 0, .max = 0.999999});
  }
};

// Focal, by how unlike the two sides' logits are (Wen et al. 2019, arXiv:1911.07471).
struct FlswTemperature {
  static constexpr std::string_view kind = "flsw";
  AdaptiveTemperature adaptive;
  double power = 1.0;
  static void fields(auto& self, auto& v) {
    AdaptiveTemperature::fields(self.adaptive, v);
    v("power", self.power, "difficulty = (1 - cosine of the two sides' logits)^power", positive);
  }
};

// By the student's confidence (Wen et al. 2019, arXiv:1911.07471).
struct CwsmTemperature {
  static constexpr std::string_view kind = "cwsm";
  AdaptiveTemperature adaptive;
  static void fields(auto& self, auto& v) { AdaptiveTemperature::fields(self.adaptive, v); }
};

// By both sides' entropy (EA-KD, Su et al. 2023, arXiv:2311.13621).
struct EntropyTemperature {
  static constexpr std::string_view kind = "entropy";
  AdaptiveTemperature adaptive;
  double entropy_temperature = 3.0;
  bool reweigh = false;
  static void fields(auto& self, auto& v) {
    AdaptiveTemperature::fields(self.adaptive, v);
    v("entropy_temperature", self.entropy_temperature, "softens both sides before their entropy is taken", positive);
    v("reweigh", self.reweigh,
      "multiply each row's loss by its difficulty too; with 'strength: 0' that alone, as the paper has it");
  }
};

// By how well the row's class has been told in the steps before.
struct ClassTemperature {
  static constexpr std::string_view kind = "class_difficulty";
  AdaptiveTemperature adaptive;
  static void fields(auto& self, auto& v) { AdaptiveTemperature::fields(self.adaptive, v); }
};

// One number for all rows, trained against the student (CTKD, Li et al. 2023, arXiv:2211.16231).
struct LearnedTemperature {
  static constexpr std::string_view kind = "learned";
  double min = 1.0;
  double max = 21.0;
  double start = 1.0;
  double rate = 0.01;
  ScheduleConfig reversal = schedule_of("0 -> 1 cosine over 50%");
  static void fields(auto& self, auto& v) {
    v("min", self.min, "temperature = min + (max - min) sigmoid(theta)", positive);
    v("max", self.max, "the temperature stays below it", positive);
    v("start", self.start, "theta at the first step", Range{.min = -20, .max = 20});
    v("rate", self.rate, "theta climbs by rate * reversal * the objective's slope at each step", positive);
    v("reversal", self.reversal, "how much of the reversed gradient reaches theta", Range{.min = 0});
  }
};

using TemperatureConfig = std::variant<ScheduledTemperature, FlswTemperature, CwsmTemperature, EntropyTemperature,
                                       ClassTemperature, LearnedTemperature>;

// The settings that the measuring kinds share; null for the others.
inline const AdaptiveTemperature* adaptive_part(const TemperatureConfig& config) {
  return std::visit(
      []<class Kind>(const Kind& kind) -> const AdaptiveTemperature* {
        if constexpr (requires { kind.adaptive; }) return &kind.adaptive;
        else return nullptr;
      },
      config);
}

}  // namespace dsd
