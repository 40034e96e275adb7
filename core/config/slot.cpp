#include "core/config/slot.h"

#include <fmt/format.h>

#include <charconv>

namespace dsd {

std::optional<std::string> range_fault(const Range& range, double number, std::string_view shown) {
  if (number < range.min || (range.open_min && number == range.min))
    return fmt::format("must be {} {}, got {}", range.open_min ? ">" : ">=", range.min, shown);
  if (number > range.max) return fmt::format("must be <= {}, got {}", range.max, shown);
  return std::nullopt;
}

bool reads_as_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return end == text.data() + text.size() && error != std::errc::invalid_argument;
}

std::string number_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".eni") == std::string::npos) text += ".0";  // "inf" and "nan" stay as they are
  return text;
}

}  // namespace dsd
