#pragma once
// Key paths as messages and `--set` write them: `train.batch`, `student.from_layers[0]`, which `student.from_layers.0`
// is too.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsd {

struct PathPart {
  std::string key;                   // empty for an index
  std::optional<std::size_t> index;  // `[2]` or `.2`
};

// Nothing comes back for a path that is not one: an empty part, a bracket left open, an index that is no number.
std::vector<PathPart> split_path(std::string_view path);

std::string join_path(std::string_view path, std::string_view key);

}  // namespace dsd
