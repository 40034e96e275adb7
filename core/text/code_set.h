#pragma once
// Sets of code points as sorted ranges: what the classes of a pattern are put together from.

#include <vector>

namespace dsd {

inline constexpr char32_t kLastCodePoint = 0x10FFFF;

struct CodeRange {
  char32_t first, last;
  friend bool operator==(const CodeRange&, const CodeRange&) = default;
};

class CodeSet {
 public:
  CodeSet() = default;
  CodeSet(char32_t first, char32_t last) : ranges_{{first, last}} {}
  // In any order; they may overlap.
  explicit CodeSet(std::vector<CodeRange> ranges);

  const std::vector<CodeRange>& ranges() const { return ranges_; }  // sorted, apart from one another
  bool empty() const { return ranges_.empty(); }
  bool contains(char32_t code) const;

  CodeSet united(const CodeSet& other) const;
  CodeSet shared(const CodeSet& other) const;  // what is in both
  CodeSet others() const;                      // what is not in it

 private:
  std::vector<CodeRange> ranges_;
};

}  // namespace dsd
