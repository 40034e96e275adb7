#include "core/recipe/freeze_group.h"

#include <fmt/format.h>

#include <charconv>

namespace dsd {
namespace {

// A layer's number at the front of `text`, taken off it.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0 || text.starts_with('-')) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::optional<GrammarFault> FreezeGroup::read(std::string_view text, const Range&) {
  FreezeGroup group;
  if (text == "embeddings" || text == "head" || text == "layers") {
    group.kind = text == "head" ? Kind::head : text == "layers" ? Kind::layers : Kind::embeddings;
    *this = group;
    return std::nullopt;
  }
  constexpr std::string_view layers = "layers.";
  if (!text.starts_with(layers)) return GrammarFault{};
  group.kind = Kind::layers;
  std::string_view rest = text.substr(layers.size());
  const auto column = [&] { return 1 + text.size() - rest.size(); };
  const auto begin = take_number(rest);
  if (!begin) return GrammarFault{column(), "must be a layer's number"};
  group.first = *begin;
  if (rest.empty()) {
    group.last = group.first;
  } else if (!rest.starts_with('-')) {
    return GrammarFault{column(), "must be '-' or the end"};
  } else if (rest != "-") {
    rest.remove_prefix(1);
    const std::size_t at = column();
    group.last = take_number(rest);
    if (!group.last || !rest.empty()) return GrammarFault{at, "must be a layer's number"};
    if (*group.last < group.first) return GrammarFault{at, "must not be below the first layer"};
  }
  *this = group;
  return std::nullopt;
}

std::string FreezeGroup::text() const {
  if (kind == Kind::embeddings) return "embeddings";
  if (kind == Kind::head) return "head";
  if (first == 0 && !last) return "layers";
  if (!last) return fmt::format("layers.{}-", first);
  return *last == first ? fmt::format("layers.{}", first) : fmt::format("layers.{}-{}", first, *last);
}

}  // namespace dsd
