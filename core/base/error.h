#pragma once
// The one way to fail: an Error with a sentence for the user and the exit code it leads to (design section 6).
// A sentence says what failed, on which file and byte or line, and what to do.

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace dsd {

enum class ExitCode : int {
  done = 0,
  failed = 1,     // could not finish: file, device, memory, disk
  bad_input = 2,  // bad flags or recipe, all faults listed
  diverged = 3,   // the last good checkpoint is named
  refused = 4,    // a check said no: an export that drifts, a teacher below its floor
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ExitCode::failed, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
[[noreturn]] void fail_as(ExitCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace dsd
