#include "core/base/thousands.h"

#include <fmt/format.h>

namespace dsd {

std::string thousands(double number) {
  const std::string text = fmt::format("{:.0f}", number);
  std::string grouped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i > 0 && (text.size() - i) % 3 == 0) grouped += ',';
    grouped += text[i];
  }
  return grouped;
}

}  // namespace dsd
