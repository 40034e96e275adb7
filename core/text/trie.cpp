#include "core/text/trie.h"

#include <algorithm>
#include <cstring>

namespace dsd {

Trie::Trie(std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.first < b.first; });
  struct Open {  // the entries that share the path to one node
    std::size_t first, last, depth;
  };
  std::vector<Open> open{{0, entries.size(), 0}};
  places_.emplace_back();
  labels_.push_back(0);
  for (std::size_t node = 0; node < open.size(); ++node) {
    auto [at, last, depth] = open[node];
    if (at < last && entries[at].first.size() == depth) places_[node].value = entries[at].second;
    while (at < last && entries[at].first.size() == depth) ++at;
    places_[node].first_child = static_cast<Node>(places_.size());
    while (at < last) {
      const char label = entries[at].first[depth];
      const std::size_t begin = at;
      while (at < last && entries[at].first[depth] == label) ++at;
      open.push_back({begin, at, depth + 1});
      places_.emplace_back();
      labels_.push_back(label);
      ++places_[node].children;
    }
  }
}

Trie::Node Trie::child(Node node, char byte) const {
  const Place& place = places_[node];
  if (place.children == 0) return kNowhere;
  const char* labels = labels_.data() + place.first_child;
  const void* found = std::memchr(labels, static_cast<unsigned char>(byte), place.children);
  if (found == nullptr) return kNowhere;
  return place.first_child + static_cast<Node>(static_cast<const char*>(found) - labels);
}

Trie::Match Trie::longest(std::string_view text, Node node) const {
  Match best;
  for (std::size_t at = 0; at < text.size(); ++at) {
    node = child(node, text[at]);
    if (node == kNowhere) break;
    if (places_[node].value != kNothing) best = {at + 1, places_[node].value};
  }
  return best;
}

Trie::Node Trie::walk(std::string_view path) const {
  Node node = kRoot;
  for (const char byte : path) {
    node = child(node, byte);
    if (node == kNowhere) return kNowhere;
  }
  return node;
}

std::int32_t Trie::find(std::string_view entry) const {
  const Node node = walk(entry);
  return node == kNowhere ? kNothing : places_[node].value;
}

}  // namespace dsd
