#include "core/config/overrides.h"

#include <fmt/format.h>

#include "core/config/path.h"
#include "core/config/writer.h"

namespace dsd {
namespace {

// The node at `key` of a mapping, made where it is missing. An entry that is overridden takes the override's place.
Node* step_into(Node& node, const std::string& key, Mark mark) {
  if (node.kind == Node::Kind::null) {
    node.kind = Node::Kind::map;
    node.mark = mark;
  }
  if (node.kind != Node::Kind::map) return nullptr;
  if (Node* found = node.find(key)) return found;
  Node fresh;
  fresh.mark = mark;
  return &node.entries.emplace_back(Node::Entry{key, mark, std::move(fresh)}).value;
}

// An element of a list, by `[2]` or `.2`; in a mapping (a preset's part) both are the key 2.
Node* step_to(Node& node, const PathPart& part, Mark mark) {
  if (!part.index) return step_into(node, part.key, mark);
  if (node.kind == Node::Kind::map) return step_into(node, std::to_string(*part.index), mark);
  return node.kind == Node::Kind::list && *part.index < node.items.size() ? &node.items[*part.index] : nullptr;
}

void mark_key(Node& node, std::string_view key, Mark mark) {
  for (auto& entry : node.entries) {
    if (entry.key != key) continue;
    entry.mark = mark;
    return;
  }
}

void apply(Node& root, std::string_view text, Mark mark, Diagnostics& faults) {
  const auto equals = text.find('=');
  const auto path = text.substr(0, equals);
  const auto parts = split_path(path);
  if (equals == std::string_view::npos || parts.empty())
    return faults.add(mark, "an override reads key=value, for example train.batch=16");
  const auto written = text.substr(equals + 1);
  auto value = parse_yaml(written, mark.source, faults);
  if (!value) return;
  if (value->kind == Node::Kind::null && written != "null" && written != "~")
    return faults.add(mark, fmt::format("'{}' is given no value; write null for none", path));
  Node draft = root;  // so that an override that fails leaves nothing half-made
  Node* node = &draft;
  Node* parent = nullptr;
  for (const auto& part : parts) {
    parent = node;
    node = step_to(*node, part, mark);
    if (!node && part.index)
      return faults.add(mark, fmt::format("the list in '{}' has no element {}", path, *part.index));
    if (!node) return faults.add(mark, fmt::format("'{}' leads through a value that is not a mapping", path));
  }
  *node = std::move(*value);
  if (!parts.back().index || parent->kind == Node::Kind::map)
    mark_key(*parent, parts.back().index ? std::to_string(*parts.back().index) : parts.back().key, mark);
  root = std::move(draft);
}

}  // namespace

void apply_overrides(Node& root, std::span<const std::string> overrides, Diagnostics& faults) {
  int source = 0;
  for (const auto& text : overrides) apply(root, text, Mark{++source, 1, 1}, faults);
}

std::string text_override(std::string_view key, std::string_view text) {
  return fmt::format("{}={}", key, quoted_if_needed(text));
}

}  // namespace dsd
