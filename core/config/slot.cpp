#include "core/config/slot.h"

#include <fmt/format.h>

namespace dsd {

std::string number_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".eni") == std::string::npos) text += ".0";  // "inf" and "nan" stay as they are
  return text;
}

}  // namespace dsd
