#pragma once
// `--set a.b=c`: sets keys in a recipe's tree before it is read, so that an override is checked as the file is. The
// value is YAML (`[0, 2]`, `null`, `{kind: reverse_kl}`); a later override wins; keys on the way are made where they
// are missing.

#include <span>
#include <string>
#include <string_view>

#include "core/config/node.h"

namespace dsd {

// Marks in the tree get source n for overrides[n - 1].
void apply_overrides(Node& root, std::span<const std::string> overrides, Diagnostics& faults);

// The override that gives `key` just this text, whatever it looks like: what a flag such as `--data DIR` stands for.
std::string text_override(std::string_view key, std::string_view text);

}  // namespace dsd
