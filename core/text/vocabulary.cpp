#include "core/text/vocabulary.h"

#include <algorithm>
#include <unordered_set>

namespace dsd {

Vocabulary::Vocabulary(std::vector<std::pair<std::string, std::int32_t>> tokens) {
  std::int32_t most = -1;
  for (const auto& [token, id] : tokens) most = std::max(most, id);
  tokens_.resize(static_cast<std::size_t>(most + 1));
  std::vector<Trie::Entry> entries;
  entries.reserve(tokens.size());
  for (auto& [token, id] : tokens) {
    auto& kept = tokens_[static_cast<std::size_t>(id)].emplace(std::move(token));
    entries.emplace_back(kept, id);
  }
  std::reverse(entries.begin(), entries.end());  // the trie keeps the first of equals
  std::unordered_set<std::string_view> distinct;
  for (const auto& entry : entries) distinct.insert(entry.first);
  count_ = static_cast<std::int64_t>(distinct.size());
  trie_ = Trie(std::move(entries));
}

std::optional<std::int32_t> Vocabulary::id_of(std::string_view token) const {
  const std::int32_t id = trie_.find(token);
  if (id == Trie::kNothing) return std::nullopt;
  return id;
}

std::optional<std::string_view> Vocabulary::token_of(std::int32_t id) const {
  if (id < 0 || id >= rows() || !tokens_[static_cast<std::size_t>(id)]) return std::nullopt;
  return *tokens_[static_cast<std::size_t>(id)];
}

}  // namespace dsd
