#pragma once
// The schedules' settings: plain data. Every number that may change in a run (learning rate, temperature, a weight)
// takes one of these; adding a schedule is adding an alternative here and a `value` beside it in
// schedules/schedule.cpp.

#include <cstdint>
#include <variant>

#include "core/config/fields.h"

namespace dsd {

struct ConstantSchedule {
  static constexpr std::string_view kind = "constant";
  double value = 1.0;
  double warm_up = 0.0;
  static void fields(auto& self, auto& v) {
    v("value", self.value, "the number, for the whole run", Range{.min = 0});
    v("warm_up", self.warm_up, "share of the run over which it rises from 0", fraction);
  }
};

struct LinearSchedule {
  static constexpr std::string_view kind = "linear";
  double from = 1.0;
  double to = 0.0;
  double warm_up = 0.0;
  static void fields(auto& self, auto& v) {
    v("from", self.from, "value after the warm-up", Range{.min = 0});
    v("to", self.to, "value at the last step", Range{.min = 0});
    v("warm_up", self.warm_up, "share of the run over which it rises from 0 to `from`", fraction);
  }
};

struct CosineSchedule {
  static constexpr std::string_view kind = "cosine";
  double from = 1.0;
  double to = 0.0;
  double warm_up = 0.0;
  static void fields(auto& self, auto& v) {
    v("from", self.from, "value after the warm-up", Range{.min = 0});
    v("to", self.to, "value at the last step: to + (from - to)(1 + cos(pi t))/2", Range{.min = 0});
    v("warm_up", self.warm_up, "share of the run over which it rises from 0 to `from`", fraction);
  }
};

// The article's temperature: the run in equal parts, from * factor^stage.
struct StageDecaySchedule {
  static constexpr std::string_view kind = "stage_decay";
  double from = 2.0;
  double factor = 0.8;
  std::int64_t stages = 4;
  static void fields(auto& self, auto& v) {
    v("from", self.from, "value in the first stage", positive);
    v("factor", self.factor, "value = from * factor^stage", positive);
    v("stages", self.stages, "equal parts of the run", Range{.min = 1, .max = 1000000});
  }
};

// The article's weight: the run in equal parts, from + (to - from) * stage / (stages - 1); one stage stays at `from`.
struct StageRiseSchedule {
  static constexpr std::string_view kind = "stage_rise";
  double from = 0.5;
  double to = 1.0;
  std::int64_t stages = 4;
  static void fields(auto& self, auto& v) {
    v("from", self.from, "value in the first stage", Range{.min = 0});
    v("to", self.to, "value in the last stage; with one stage `from` holds", Range{.min = 0});
    v("stages", self.stages, "equal parts of the run", Range{.min = 1, .max = 1000000});
  }
};

using ScheduleConfig =
    std::variant<ConstantSchedule, LinearSchedule, CosineSchedule, StageDecaySchedule, StageRiseSchedule>;

}  // namespace dsd
