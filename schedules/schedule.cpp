#include "schedules/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace dsd {
namespace {

// A segment's place: step ... end in steps, of which `step` are done.
struct Place {
  std::int64_t step = 0, end = 1;
};

std::int64_t stage_of(std::int64_t stages, const Place& place) {
  // In integers, so that a stage begins at its very step; 128 bits, so that no product overflows.
  const auto stage = static_cast<__int128>(place.step) * stages / place.end;
  return static_cast<std::int64_t>(std::min<__int128>(stage, stages - 1));
}

double at(const ConstantSegment& segment, const Place&) { return segment.value; }

double at(const ChangeSegment& segment, const Place& place) {
  const auto [from, to, curve] = segment;
  if (place.step >= place.end) return to;
  const double t = static_cast<double>(place.step) / static_cast<double>(place.end);
  switch (curve) {
    case Curve::linear:
      return from + (to - from) * t;
    case Curve::cosine:
      return to + (from - to) * (1 + std::cos(std::numbers::pi * t)) / 2;
    case Curve::exponential:
      return from * std::pow(to / from, t);
    case Curve::root:
      return std::sqrt(from * from + (to * to - from * from) * t);
  }
  return to;
}

double staged(const StagesSegment& segment, std::int64_t stage) {
  if (segment.stages == 1) return segment.from;
  const double share = static_cast<double>(stage) / static_cast<double>(segment.stages - 1);
  return segment.from + (segment.to - segment.from) * share;
}

double staged(const PowersSegment& segment, std::int64_t stage) {
  return segment.from * std::pow(segment.factor, static_cast<double>(stage));
}

double at(const StagesSegment& segment, const Place& place) { return staged(segment, stage_of(segment.stages, place)); }
double at(const PowersSegment& segment, const Place& place) { return staged(segment, stage_of(segment.stages, place)); }

std::pair<double, double> ends(const ConstantSegment& segment) { return {segment.value, segment.value}; }
std::pair<double, double> ends(const ChangeSegment& segment) { return {segment.from, segment.to}; }
template <class Staged>
std::pair<double, double> ends(const Staged& segment) {
  return {segment.from, staged(segment, segment.stages - 1)};
}

// Lengths from the run's beginning, added up.
class Ruler {
 public:
  explicit Ruler(std::int64_t steps) : steps_(steps) {}

  void add(const RunLength& length) {
    percent_ += length.percent;
    fixed_ += std::min(length.steps, std::numeric_limits<std::int64_t>::max() - fixed_);
  }
  std::int64_t end() const {
    const double share = std::round(percent_ / 100 * static_cast<double>(steps_));
    const auto whole = static_cast<__int128>(share) + fixed_;
    return static_cast<std::int64_t>(std::min<__int128>(whole, std::numeric_limits<std::int64_t>::max()));
  }

 private:
  std::int64_t steps_, fixed_ = 0;
  double percent_ = 0;
};

}  // namespace

double value(const ScheduleConfig& config, Progress progress) {
  Ruler ruler(progress.steps);
  ruler.add(config.warm_up);
  std::int64_t begin = ruler.end();
  if (progress.step < begin) {
    const double peak = std::visit([](const auto& shape) { return ends(shape).first; }, config.segments[0].shape);
    return peak * (static_cast<double>(progress.step + 1) / static_cast<double>(begin));
  }
  for (std::size_t i = 0;; ++i) {
    const ScheduleSegment& segment = config.segments[i];
    std::int64_t end = progress.steps;
    if (segment.over) ruler.add(*segment.over), end = ruler.end();
    if (progress.step < end || i + 1 == config.segments.size()) {
      // A segment that rounding, or a run shorter than its plan, leaves no step has arrived.
      const std::int64_t length = std::max<std::int64_t>(1, end - begin);
      const Place place{progress.step < end ? progress.step - begin : length, length};
      return std::visit([&](const auto& shape) { return at(shape, place); }, segment.shape);
    }
    begin = end;
  }
}

std::pair<double, double> extremes(const ScheduleConfig& config) {
  std::pair<double, double> all{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  for (const ScheduleSegment& segment : config.segments) {
    const auto [from, to] = std::visit([](const auto& shape) { return ends(shape); }, segment.shape);
    all = {std::min({all.first, from, to}), std::max({all.second, from, to})};
  }
  return all;
}

bool is_fixed(const ScheduleConfig& config) {
  const auto [least, largest] = extremes(config);
  return least == largest && config.warm_up == RunLength{};
}

}  // namespace dsd
