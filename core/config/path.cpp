#include "core/config/path.h"

#include <charconv>

namespace dsd {
namespace {

std::optional<std::size_t> number_of(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// `[2]` at the front of `text`, taken off it; false when it is none.
bool take_index(std::string_view& text, std::vector<PathPart>& parts) {
  const auto close = text.find(']');
  if (close == std::string_view::npos) return false;
  const auto index = number_of(text.substr(1, close - 1));
  if (!index) return false;
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
    const auto index = parts.empty() ? std::nullopt : number_of(key);
    parts.push_back({index ? "" : std::string(key), index});
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
