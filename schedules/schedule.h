#pragma once
// The value of a schedule at a point of the run: a pure function, so that resume needs no state.

#include <cstdint>
#include <utility>

#include "schedules/configs.h"

namespace dsd {

// Where a run stands. `step` counts optimiser steps done before this one: 0 for the first; `steps` is the run's total
// (>= 1).
struct Progress {
  std::int64_t step = 0;
  std::int64_t steps = 1;
};

// Lengths are added up from the run's beginning and then rounded to steps, so that parts of 100 % fill the run. Warm-up
// over w steps: step s gives (s + 1)/w of the peak, so that the first step moves already. In a segment of steps
// b ... e - 1, t = (s - b)/(e - b) runs from 0 towards 1 (the convention of transformers' linear and cosine schedules):
// linear from + (to - from) t, cosine to + (from - to)(1 + cos(pi t))/2, exponential from (to/from)^t, root sqrt(from^2
// + (to^2 - from^2) t) (the competence of Platanios et al. 2019, arXiv:1903.09848). The stage of a staged one is
// floor((s - b) stages / (e - b)).
double value(const ScheduleConfig& config, Progress progress);

// The least and the largest value beside the warm-up's.
std::pair<double, double> extremes(const ScheduleConfig& config);

// The same at every step of any run.
bool is_fixed(const ScheduleConfig& config);

}  // namespace dsd
