#pragma once
// What a person sees while a command works: lines on standard error, and one progress line that rewrites itself on a
// terminal. Results (tables, ids, JSON) go to standard output and never through here.

#include <fmt/format.h>

#include <string_view>

namespace dsd {

class Console {
 public:
  Console();  // a terminal on standard error or not is found out once

  bool is_terminal() const { return is_terminal_; }

  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    write_line(fmt::format(format, std::forward<Args>(args)...));
  }

  // Rewrites the last line on a terminal; elsewhere nothing is printed.
  void progress(std::string_view text);
  void write_line(std::string_view text);

 private:
  bool is_terminal_;
  bool progress_shown_ = false;
};

}  // namespace dsd
