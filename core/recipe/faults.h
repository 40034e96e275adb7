#pragma once
// How the rules of a recipe tell what is at fault, a key and one sentence, and what several of them ask of a schedule.

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "core/recipe/check.h"
#include "schedules/schedule.h"

namespace dsd {

using Faults = std::vector<RuleFault>;

template <class... Args>
void add(Faults& faults, std::string path, fmt::format_string<Args...> text, Args&&... args) {
  faults.push_back({std::move(path), fmt::format(text, std::forward<Args>(args)...)});
}

// Whether a number, none of whose values is below 0, is 0 at every step.
inline bool is_zero(const ScheduleConfig& schedule) { return extremes(schedule).second == 0; }

}  // namespace dsd
