#pragma once
// The nearest word to a misspelt one. Insert, delete, replace and a swap of two neighbours count one edit each
// (optimal string alignment); one edit is allowed for each three letters, since a far guess misleads.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dsd {

std::size_t edit_distance(std::string_view a, std::string_view b);

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);

// "; did you mean 'x'?", or "; expected one of: a, b, c".
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace dsd
