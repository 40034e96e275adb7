#pragma once
// Reads a regular expression into a tree. The syntax is the package's (Oniguruma's), cut to what tokenizers use; what
// is left out is refused by name. Included by pattern.cpp only.

#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

#include "core/text/code_set.h"

namespace dsd {

struct PatternNode {
  enum class Kind {
    sequence,      // of `parts`; none: matches nothing, everywhere
    alternatives,  // the first of `parts` that leads to a match
    set,           // one code point
    repeat,        // parts[0], as often as it goes
    look,          // parts[0] matches here, or just before with `behind`
    line_begin,
    line_end,
    text_begin,
    text_end,
  };
  static constexpr std::size_t kNoEnd = std::numeric_limits<std::size_t>::max();

  Kind kind = Kind::sequence;
  std::vector<PatternNode> parts;
  CodeSet set;
  std::size_t least = 0, most = kNoEnd;  // repeat
  bool possessive = false;               // gives nothing back
  bool behind = false, negative = false;
};

// The fewest and the most code points that a match takes.
struct PatternLength {
  std::size_t least, most;
};
PatternLength length_of(const PatternNode& node);

// Throws Error that says what is wrong and at which byte.
PatternNode parse_pattern(std::string_view source);

}  // namespace dsd
