#include "core/config/path.h"

#include <charconv>

namespace dsd {
namespace {

// `[2]` at the front of `text`, taken off it; false when it is none.
bool take_index(std::string_view& text, std::vector<PathPart>& parts) {
  const auto close = text.find(']');
  if (close == std::string_view::npos) return false;
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + close, index);
  if (error != std::errc{} || end != text.data() + close) return false;
  parts.push_back({"", index});
  text.remove_prefix(close + 1);
  return true;
}

}  // namespace

std::vector<PathPart> split_path(std::string_view path) {
  std::vector<PathPart> parts;
  while (true) {
    const auto end = path.find_first_of(".[");
    const auto key = path.substr(0, end);
    if (key.empty()) return {};
    parts.push_back({std::string(key), std::nullopt});
    path.remove_prefix(key.size());
    while (path.starts_with('['))
      if (!take_index(path, parts)) return {};
    if (path.empty()) return parts;
    if (!path.starts_with('.')) return {};
    path.remove_prefix(1);
  }
}

std::string join_path(std::string_view path, std::string_view key) {
  std::string joined(path);
  if (!joined.empty()) joined += '.';
  return joined.append(key);
}

}  // namespace dsd
