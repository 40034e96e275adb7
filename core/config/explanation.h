#pragma once
// The documentation of every key, made from the same table that reads it: type, range, default, meaning, and for a
// choice all its alternatives. Markdown, which reads well on a terminal too.

#include <string>
#include <string_view>

#include "core/config/slot.h"

namespace dsd {

// All keys below `key` (empty: all there are). An unknown key throws Error with the nearest one.
std::string explain_tree(MapSlot defaults, std::string_view key);

}  // namespace dsd
