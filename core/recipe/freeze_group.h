#pragma once
// Which weights of a student are not trained, by name: `embeddings`, `layers` (all of them), `layers.2`, `layers.0-3`,
// `layers.4-` (that one and all above), `head` (what follows the last layer: final norm, pooler, classifier).

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/config/fields.h"

namespace dsd {

struct FreezeGroup {
  enum class Kind { embeddings, layers, head } kind = Kind::embeddings;
  std::int64_t first = 0;            // layers, counted from 0 as student.from_layers counts them
  std::optional<std::int64_t> last;  // with it; none: all above too

  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> forms{
      {{"embeddings", "what enters the first layer is made of"},
       {"layers", "all layers"},
       {"layers.2", "one layer, counted from 0"},
       {"layers.0-3", "from one layer to another, both included"},
       {"layers.4-", "that layer and all above it"},
       {"head", "what follows the last layer: final norm, pooler, classifier"}}};
  static constexpr Grammar grammar{.name = "group of weights", .example = "layers.0-3", .forms = forms};
  std::optional<GrammarFault> read(std::string_view text, const Range& range);
  std::string text() const;

  bool holds_layer(std::int64_t layer) const { return layer >= first && (!last || layer <= *last); }
  bool operator==(const FreezeGroup&) const = default;
};

}  // namespace dsd
