#include "core/recipe/check_features.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "schedules/schedule.h"

namespace dsd {
namespace {

struct Checker {
  const Recipe& recipe;
  std::vector<RuleFault>& faults;
  std::string path;  // losses.features[0].loss

  template <class... Args>
  void add(std::string_view key, fmt::format_string<Args...> text, Args&&... args) const {
    faults.push_back(
        {fmt::format("{}{}{}", path, key.empty() ? "" : ".", key), fmt::format(text, std::forward<Args>(args)...)});
  }

  template <class Loss>
  void operator()(const Loss& loss) const {
    if constexpr (std::is_base_of_v<LayersConfig, Loss>) layers(loss, Loss::kind);
    if constexpr (std::is_same_v<Loss, MiniLm2Config>) relations(loss);
    constexpr bool of_attention = std::is_same_v<Loss, AttentionConfig> || std::is_same_v<Loss, MiniLmConfig> ||
                                  std::is_same_v<Loss, MiniLm2Config>;
    if constexpr (of_attention) no_entry(loss);
  }

  void layers(const LayersConfig& loss, std::string_view kind) const {
    if (loss.layers && !loss.pairs.empty())
      add("pairs", "'{}.pairs' and '{}.layers' both tell which layers are matched; keep one", path, path);
    if (loss.only && !loss.pairs.empty())
      add("only", "'{}.only' chooses from what 'layers' gives, and '{}.pairs' stand in its place; keep one", path,
          path);
    const auto& student = recipe.student;
    const auto named = static_cast<std::int64_t>(student.from_layers.size());
    const std::int64_t count = student.layers ? *student.layers : named;
    if (count == 0) return;
    if (loss.only && *loss.only > count)
      add("only", "{} names layer {} of a student of {} layers", kind, *loss.only, count);
    for (std::size_t i = 0; i < loss.pairs.size(); ++i)
      if (loss.pairs[i].student > count)
        add(fmt::format("pairs[{}].student", i), "{} names layer {} of a student of {} layers", kind,
            loss.pairs[i].student, count);
  }

  void no_entry(const LayersConfig& loss) const {
    for (std::size_t i = 0; i < loss.pairs.size(); ++i)
      for (const auto& [side, layer] :
           {std::pair{"student", loss.pairs[i].student}, std::pair{"teacher", loss.pairs[i].teacher}})
        if (layer == 0)
          add(fmt::format("pairs[{}].{}", i, side),
              "layer 0 is what enters the first layer, and has no attention to compare; count layers from 1");
  }

  void relations(const MiniLm2Config& loss) const {
    if (loss.query_weight == 0 && loss.key_weight == 0 && loss.value_weight == 0)
      add("", "minilm_v2's query, key and value weights are all 0: there is nothing to compare");
    const auto& width = recipe.student.hidden;
    if (width && loss.relation_heads && *width % *loss.relation_heads != 0)
      add("relation_heads", "'student.hidden' {} cannot be shared out to {} relation heads", *width,
          *loss.relation_heads);
  }
};

}  // namespace

void check_features(const Recipe& recipe, std::vector<RuleFault>& faults) {
  for (std::size_t i = 0; i < recipe.losses.features.size(); ++i)
    std::visit(Checker{recipe, faults, fmt::format("losses.features[{}].loss", i)}, recipe.losses.features[i].loss);
}

bool has_features(const LossesConfig& losses) {
  return std::ranges::any_of(losses.features, [](const FeaturePart& part) { return extremes(part.weight).second > 0; });
}

}  // namespace dsd
