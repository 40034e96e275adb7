#include "core/base/log.h"

#include <unistd.h>

#include <cstdio>

namespace dsd {
namespace {

constexpr std::string_view kClearLine = "\r\033[K";

}  // namespace

Console::Console() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void Console::progress(std::string_view text) {
  if (!is_terminal_) return;
  fmt::print(stderr, "{}{}", kClearLine, text);
  std::fflush(stderr);
  progress_shown_ = true;
}

void Console::write_line(std::string_view text) {
  fmt::print(stderr, "{}{}\n", progress_shown_ ? kClearLine : "", text);
  progress_shown_ = false;
}

}  // namespace dsd
