#include "core/text/post_processor.h"

#include <algorithm>

namespace dsd {

Template plain_template() {
  using Kind = TemplatePart::Kind;
  return {{{Kind::first, 0, {}}}, {{Kind::first, 0, {}}, {Kind::second, 1, {}}}};
}

std::size_t special_count(const std::vector<TemplatePart>& parts) {
  std::size_t count = 0;
  for (const TemplatePart& part : parts) count += part.ids.size();
  return count;
}

std::pair<std::size_t, std::size_t> longest_first(std::size_t first, std::size_t second, std::size_t budget) {
  if (first + second <= budget) return {first, second};
  const bool swapped = first > second;
  std::size_t shorter = std::min(first, second);
  std::size_t longer = shorter > budget ? shorter : std::max(shorter, budget - shorter);
  if (shorter + longer > budget) {
    shorter = budget / 2;
    longer = shorter + budget % 2;
  }
  return swapped ? std::pair{longer, shorter} : std::pair{shorter, longer};
}

}  // namespace dsd
