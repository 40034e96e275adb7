#include "core/config/diagnostic.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/error.h"

namespace dsd {

Diagnostics::Diagnostics(std::string file, std::span<const std::string> overrides)
    : file_(std::move(file)), overrides_(overrides.begin(), overrides.end()) {}

void Diagnostics::add(Mark mark, std::string text) { all_.push_back({mark, std::move(text)}); }

std::vector<std::string> Diagnostics::lines() const {
  auto sorted = all_;
  std::ranges::stable_sort(sorted, {}, &Diagnostic::mark);
  std::vector<std::string> lines;
  for (const auto& [mark, text] : sorted) {
    if (mark.source == 0) lines.push_back(fmt::format("{}:{}:{}: error: {}", file_, mark.line, mark.column, text));
    else lines.push_back(fmt::format("--set {}: error: {}", overrides_.at(mark.source - 1), text));
    // A value that an alias repeats is faulty once in the file, however often it is used.
    if (lines.size() > 1 && lines.back() == lines[lines.size() - 2]) lines.pop_back();
  }
  return lines;
}

void Diagnostics::raise() const {
  if (empty()) return;
  constexpr std::size_t most = 200;
  auto all = lines();
  if (all.size() > most) {
    const auto more = all.size() - most;
    all.resize(most);
    all.push_back(fmt::format("{}: error: and {} more faults", file_, more));
  }
  throw Error(ExitCode::bad_input, fmt::format("{}", fmt::join(all, "\n")));
}

}  // namespace dsd
