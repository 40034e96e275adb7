#pragma once
// Fills typed structs from a YAML tree. Every fault is added and reading goes on, so that one run shows them all.

#include <string>
#include <string_view>

#include "core/config/node.h"
#include "core/config/slot.h"

namespace dsd {

// Reads `root` into the struct that `fields` describes. `whole` names it in messages: "the recipe needs 'task'".
void read_tree(const Node& root, MapSlot fields, std::string_view whole, Diagnostics& faults);

// Reads only what `node` names over what the struct holds already; nothing is required. `path` stands before its keys
// in messages, `key` is its place.
void read_changes(const Node& node, Mark key, MapSlot fields, std::string path, Diagnostics& faults);

// Reads a mapping that tells which alternative it is.
void read_choice(const Node& node, Mark key, ChoiceSlot choice, std::string path, Diagnostics& faults);

// Where the key path `a.b[0].c` stands: its value's place, or that of the nearest key above it that is written out.
Mark place_of(const Node& root, std::string_view path);

}  // namespace dsd
