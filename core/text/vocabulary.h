#pragma once
// The model's tokens and their ids, both ways.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/text/token_table.h"

namespace dsd {

// An id above this is taken for a damaged file: the table from ids to tokens would not be worth its memory.
inline constexpr std::int64_t kMostTokenId = (1 << 24) - 1;

class Vocabulary {
 public:
  Vocabulary() = default;
  // Ids lie in [0, kMostTokenId] and are distinct; of two equal tokens the later one counts, as for the package.
  explicit Vocabulary(std::vector<std::pair<std::string, std::int32_t>> tokens);

  std::optional<std::int32_t> id_of(std::string_view token) const;
  // Nothing for an id that no token has.
  std::optional<std::string_view> token_of(std::int32_t id) const;
  std::int64_t count() const { return count_; }                                    // distinct tokens
  std::int64_t rows() const { return static_cast<std::int64_t>(tokens_.size()); }  // the largest id + 1

 private:
  std::vector<std::optional<std::string>> tokens_;  // by id
  std::int64_t count_ = 0;
  TokenTable ids_;
};

}  // namespace dsd
