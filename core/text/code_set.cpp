#include "core/text/code_set.h"

#include <algorithm>

namespace dsd {

CodeSet::CodeSet(std::vector<CodeRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](CodeRange a, CodeRange b) { return a.first < b.first; });
  for (const CodeRange range : ranges) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1)
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    else ranges_.push_back(range);
  }
}

bool CodeSet::contains(char32_t code) const {
  const auto found = std::upper_bound(ranges_.begin(), ranges_.end(), code,
                                      [](char32_t value, CodeRange range) { return value < range.first; });
  return found != ranges_.begin() && code <= std::prev(found)->last;
}

CodeSet CodeSet::united(const CodeSet& other) const {
  std::vector<CodeRange> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return CodeSet(std::move(all));
}

CodeSet CodeSet::shared(const CodeSet& other) const { return others().united(other.others()).others(); }

CodeSet CodeSet::others() const {
  CodeSet out;
  char32_t next = 0;
  for (const CodeRange range : ranges_) {
    if (next < range.first) out.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) out.ranges_.push_back({next, kLastCodePoint});
  return out;
}

}  // namespace dsd
