#pragma once
// The part of a pattern that stands for one code point: a character, an escape, a class in brackets.

#include "core/text/code_class.h"
#include "core/text/pattern_reader.h"

namespace dsd {

// Takes one from `reader`. With `any_case` it holds all forms of each letter.
CodeSet parse_class(PatternReader& reader, bool any_case);

}  // namespace dsd
