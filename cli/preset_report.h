#pragma once
// What a preset's model holds, counted without allocating it: for `inspect`.

#include <filesystem>
#include <span>
#include <string>

#include "core/model/parameter_counts.h"

namespace dsd {

struct PresetReport {
  std::string text;  // lines for people: family and sizes, both counts, and which of them an article's size names
  ParameterCounts counts;
};
PresetReport preset_report(const std::filesystem::path& path, std::span<const std::string> overrides);

}  // namespace dsd
