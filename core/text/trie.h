#pragma once
// A set of byte strings with a number each, for longest-match look-ups. Built once, read by many threads.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace dsd {

class Trie {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNowhere = static_cast<Node>(-1);
  static constexpr std::int32_t kNothing = -1;

  struct Match {
    std::size_t length = 0;  // bytes; 0 when nothing matches
    std::int32_t value = kNothing;
  };

  Trie() : Trie(std::vector<Entry>{}) {}
  // Of entries that are equal the first one counts. Values are not negative.
  using Entry = std::pair<std::string_view, std::int32_t>;
  explicit Trie(std::vector<Entry> entries);

  // The longest entry below `node` that `text` starts with; never the empty one.
  Match longest(std::string_view text, Node node = kRoot) const;
  // Where `path` leads to; kNowhere when no entry starts so.
  Node walk(std::string_view path) const;
  // The value of exactly this entry, or kNothing.
  std::int32_t find(std::string_view entry) const;

 private:
  struct Place {
    Node first_child = 0;
    std::uint32_t children = 0;
    std::int32_t value = kNothing;
  };
  Node child(Node node, char byte) const;

  std::vector<Place> places_;  // breadth first, so that the children of a node stand side by side
  std::vector<char> labels_;   // the byte that leads to each node
};

}  // namespace dsd
