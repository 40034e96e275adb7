#pragma once
// A YAML text as a plain tree that remembers places, quotes and doubled keys. It is built from the parser's events, so
// that depth and the expansion of aliases are bounded before anything is allocated.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/diagnostic.h"

namespace dsd {

struct Node {
  struct Entry;
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  Mark mark;
  bool quoted = false;  // a quoted scalar is text, whatever it looks like
  std::string scalar;
  std::vector<Node> items;
  std::vector<Entry> entries;  // in the order of the file; a doubled key stands twice

  // The first entry of that key, or nullptr.
  Node* find(std::string_view key);
  const Node* find(std::string_view key) const;
};

struct Node::Entry {
  std::string key;
  Mark mark;
  Node value;
};

inline constexpr std::size_t kMostYamlBytes = 256 << 10;
inline constexpr int kMostYamlDepth = 24;
inline constexpr std::size_t kMostAliasBytes = 4 << 20;

// The one document of `text`. A fault of syntax is added to `faults` and gives nothing; an empty text gives a null
// node.
std::optional<Node> parse_yaml(std::string_view text, int source, Diagnostics& faults);

// "the text 'x'", "a list", "nothing": what stands at a node, for messages.
std::string describe(const Node& node);

// Text from outside, fit for a message: one line, and not a long one.
std::string clipped(std::string_view text);

}  // namespace dsd
