#pragma once
// The value of a schedule at a point of the run: a pure function, so that resume needs no state.

#include <cstdint>

#include "schedules/configs.h"

namespace dsd {

// Where a run stands. `step` counts optimiser steps done before this one: 0 for the first; `steps` is the run's total
// (>= 1).
struct Progress {
  std::int64_t step = 0;
  std::int64_t steps = 1;
};

// Warm-up over w = round(warm_up * steps) steps: step s gives (s + 1)/w of the peak, so that the first step moves
// already. After it t = (s - w)/(steps - w) runs from 0 towards 1 (the convention of transformers' linear and cosine
// schedules). The stage of a staged schedule is floor(step * stages / steps).
double value(const ScheduleConfig& config, Progress progress);

}  // namespace dsd
