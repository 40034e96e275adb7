#pragma once
// Writes typed structs as YAML: every key, defaults too, in the order in which the structs declare them. What is
// written reads as the same values, to the bit.

#include <string>
#include <string_view>

#include "core/config/slot.h"

namespace dsd {

// Without what its owner writes (Inheriting in fields.h).
std::string write_tree(MapSlot fields);

// The keys whose values differ from those that `before` describes, over lines, so far from the left.
std::string write_changes(MapSlot before, MapSlot now, int indent);

// A value as it stands behind its key, on one line: `32`, `[0, 2]`, `null`, `{kind: forward_kl, t_squared: true}`.
std::string write_inline(Slot slot);

// Text as a YAML scalar: in double quotes where it would else read as something other than this text.
std::string quoted_if_needed(std::string_view text);

}  // namespace dsd
