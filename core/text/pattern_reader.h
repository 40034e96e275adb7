#pragma once
// The text of a pattern, taken from the left; it bounds how deep groups and classes stand in one another.

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/text/code_set.h"

namespace dsd {

class PatternReader {
 public:
  // `source` is valid UTF-8.
  explicit PatternReader(std::string_view source);

  bool at_end() const { return at_ == source_.size(); }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  char before() const { return at_ == 0 ? '\0' : source_[at_ - 1]; }
  bool sees(std::string_view text) const { return source_.substr(at_).starts_with(text); }
  bool sees(char c) const { return !at_end() && source_[at_] == c; }
  bool take(std::string_view text);
  bool take(char c);
  char32_t code();                                      // the next one; there must be one
  std::optional<std::size_t> number(std::size_t most);  // decimal; nothing where no digit stands
  char32_t hexadecimal(std::size_t digits);             // exactly so many digits
  std::string_view until(char end);                     // takes `end` as well
  // class_of_name(), asked once for each name.
  std::optional<CodeSet> class_of(std::string_view name);

  // Ends in an Error: "byte 7: WHAT is not supported".
  [[noreturn]] void unsupported(std::string_view what) const;

  class Depth {
   public:
    explicit Depth(PatternReader& reader);
    ~Depth() { --reader_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    PatternReader& reader_;
  };

 private:
  std::string_view source_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::map<std::string, std::optional<CodeSet>, std::less<>> classes_;
};

}  // namespace dsd
