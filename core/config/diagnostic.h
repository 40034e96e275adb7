#pragma once
// Faults of a configuration, gathered and then raised as one Error: each names its place, all come in the order of the
// file, and those of `--set` follow in the order they were given.

#include <compare>
#include <span>
#include <string>
#include <vector>

namespace dsd {

// Where a value stands. Source 0 is the file; source n is the n-th override, which has no lines.
struct Mark {
  int source = 0;
  int line = 1;    // from 1
  int column = 1;  // from 1
  friend auto operator<=>(const Mark&, const Mark&) = default;
};

struct Diagnostic {
  Mark mark;
  std::string text;
};

class Diagnostics {
 public:
  explicit Diagnostics(std::string file, std::span<const std::string> overrides = {});

  void add(Mark mark, std::string text);
  bool empty() const { return all_.empty(); }

  // `recipes/bad.yaml:7:8: error: 'dtype' is 'bf61'; did you mean 'bf16'?`, in order.
  std::vector<std::string> lines() const;

  // Throws Error(bad_input) with all lines, if there is one.
  void raise() const;

 private:
  std::string file_;
  std::vector<std::string> overrides_;
  std::vector<Diagnostic> all_;
};

}  // namespace dsd
