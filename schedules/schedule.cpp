#include "schedules/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <variant>

namespace dsd {
namespace {

// The run with its warm-up taken off: `rise` < 1 while it lasts, then `t` runs from 0 towards 1.
struct Phase {
  double rise = 1.0;
  double t = 0.0;
};

Phase phase_of(double warm_up, Progress progress) {
  const double steps = static_cast<double>(progress.steps), step = static_cast<double>(progress.step);
  const double risen = std::round(warm_up * steps);
  if (step < risen) return {(step + 1) / risen, 0.0};
  return {1.0, step < steps ? (step - risen) / (steps - risen) : 1.0};
}

std::int64_t stage_of(std::int64_t stages, Progress progress) {
  // In integers, so that a stage begins at its very step; 128 bits, so that no product overflows.
  const auto stage = static_cast<__int128>(progress.step) * stages / progress.steps;
  return static_cast<std::int64_t>(std::min<__int128>(stage, stages - 1));
}

double at(const ConstantSchedule& config, Progress progress) {
  return config.value * phase_of(config.warm_up, progress).rise;
}

double at(const LinearSchedule& config, Progress progress) {
  const Phase phase = phase_of(config.warm_up, progress);
  return phase.rise < 1 ? config.from * phase.rise : config.from + (config.to - config.from) * phase.t;
}

double at(const CosineSchedule& config, Progress progress) {
  const Phase phase = phase_of(config.warm_up, progress);
  if (phase.rise < 1) return config.from * phase.rise;
  return config.to + (config.from - config.to) * (1 + std::cos(std::numbers::pi * phase.t)) / 2;
}

double at(const StageDecaySchedule& config, Progress progress) {
  return config.from * std::pow(config.factor, static_cast<double>(stage_of(config.stages, progress)));
}

double at(const StageRiseSchedule& config, Progress progress) {
  if (config.stages == 1) return config.from;
  const double share = static_cast<double>(stage_of(config.stages, progress)) / static_cast<double>(config.stages - 1);
  return config.from + (config.to - config.from) * share;
}

}  // namespace

double value(const ScheduleConfig& config, Progress progress) {
  return std::visit([&](const auto& kind) { return at(kind, progress); }, config);
}

}  // namespace dsd
