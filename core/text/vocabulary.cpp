#include "core/text/vocabulary.h"

#include <algorithm>

namespace dsd {

Vocabulary::Vocabulary(std::vector<std::pair<std::string, std::int32_t>> tokens) {
  std::int32_t most = -1;
  std::size_t bytes = 0;
  for (const auto& [token, id] : tokens) {
    most = std::max(most, id);
    bytes += token.size();
  }
  tokens_.resize(static_cast<std::size_t>(most + 1));
  ids_ = TokenTable(tokens.size(), bytes);
  for (auto& [token, id] : tokens) {
    if (ids_.add(token, id)) ++count_;
    tokens_[static_cast<std::size_t>(id)] = std::move(token);
  }
}

std::optional<std::int32_t> Vocabulary::id_of(std::string_view token) const {
  const std::int32_t id = ids_.find(token);
  if (id == TokenTable::kNothing) return std::nullopt;
  return id;
}

std::optional<std::string_view> Vocabulary::token_of(std::int32_t id) const {
  if (id < 0 || id >= rows() || !tokens_[static_cast<std::size_t>(id)]) return std::nullopt;
  return *tokens_[static_cast<std::size_t>(id)];
}

}  // namespace dsd
