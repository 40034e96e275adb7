#pragma once
// A number that may change in a run (a weight, a temperature, a learning rate): plain data, and the one grammar that
// recipes write it in (schedules/grammar.cpp). Its value at a step is schedules/schedule.h's.
//
//   schedule  = segment {[","] "then" segment} ["," "warm-up" length]
//   segment   = number ["over" length]
//             | number "->" number ["linear" | "cosine" | "exponential" | "root"] ["over" length]
//             | number "->" number stages ["over" length]
//             | number "*" number "^stage" stages ["over" length]
//   stages    = ("in" | ",") count ("stages" | "stage")
//   length    = number "%" | count ("steps" | "step")        of the whole run
//
// A segment without a length takes what is left of the run, and only the last may be without one; where the last has
// one, its end value holds afterwards. A warm-up comes first and rises to where the first segment begins.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/config/fields.h"

namespace dsd {

// A part of the run, in one of the two.
struct RunLength {
  double percent = 0;
  std::int64_t steps = 0;
  bool operator==(const RunLength&) const = default;
};

struct ConstantSegment {
  double value = 0;
  bool operator==(const ConstantSegment&) const = default;
};

enum class Curve { linear, cosine, exponential, root };

struct ChangeSegment {
  double from = 1, to = 0;
  Curve curve = Curve::linear;
  bool operator==(const ChangeSegment&) const = default;
};

// Equal parts: from + (to - from) * stage / (stages - 1); one stage stays at `from`. The article's weight.
struct StagesSegment {
  double from = 0.5, to = 1;
  std::int64_t stages = 1;
  bool operator==(const StagesSegment&) const = default;
};

// Equal parts: from * factor^stage. The article's temperature.
struct PowersSegment {
  double from = 2, factor = 0.8;
  std::int64_t stages = 1;
  bool operator==(const PowersSegment&) const = default;
};

struct ScheduleSegment {
  std::variant<ConstantSegment, ChangeSegment, StagesSegment, PowersSegment> shape;
  std::optional<RunLength> over;
  bool operator==(const ScheduleSegment&) const = default;
};

struct ScheduleConfig {
  std::vector<ScheduleSegment> segments;  // at least one
  RunLength warm_up;

  ScheduleConfig(double value = 0)
      : segments{{.shape = ConstantSegment{value}, .over = {}}} {}  // a number stands for itself
  bool operator==(const ScheduleConfig&) const = default;

  // Reads a whole value; every number in it that the schedule can take must be in `range`. Where it is at fault the
  // config stays as it was.
  std::optional<GrammarFault> read(std::string_view text, const Range& range);
  // Text that reads as the same schedule, to the bit.
  std::string text() const;
  static const Grammar grammar;
};

// The schedule that a text means; throws Error(bad_input) where it means none.
ScheduleConfig schedule_of(std::string_view text);

}  // namespace dsd
