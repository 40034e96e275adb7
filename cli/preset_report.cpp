#include "cli/preset_report.h"

#include <cmath>

#include "core/base/error.h"
#include "core/base/thousands.h"
#include "core/model/parameter_counts.h"
#include "core/model/preset_config.h"

namespace dsd {
namespace {

std::string shape_of(const FamilyConfig& family) {
  std::string text = fmt::format("{}, {} layers x {}", model_type(family), layer_count(family), hidden_size(family));
  if (const auto* v3 = std::get_if<V3Config>(&family))
    text += fmt::format(" ({} stages of {})", v3->stages, v3->layers_per_stage);
  if (const auto* r1 = std::get_if<R1Config>(&family))
    text += fmt::format(", blocks of {} that look back {} with {} sinks", r1->block_size, r1->look_back, r1->sinks);
  if (const auto* experts = experts_of(family))
    return text + fmt::format(", {} experts of {} ({} for a token)", experts->num_experts, experts->intermediate_size,
                              experts->num_experts_per_tok);
  return text + fmt::format(", MLP {}", intermediate_size(family));
}

// Which of the two counts is the size that the article names.
std::string reading_of(const ParameterCounts& counts, double article) {
  const auto distance = [&](std::int64_t count) { return std::abs(static_cast<double>(count) / article - 1); };
  const bool effective = distance(counts.effective) < distance(counts.stored);
  if (std::min(distance(counts.stored), distance(counts.effective)) > 0.02)
    return fmt::format("article       neither is within 2 % of the article's {:.4g} billion\n", article / 1e9);
  return fmt::format("article       the article's {:.4g} billion are the {} parameters\n", article / 1e9,
                     effective ? "effective" : "stored");
}

}  // namespace

PresetReport preset_report(const std::filesystem::path& path, std::span<const std::string> overrides) {
  const Preset preset = load_preset(path, overrides);
  const ModelConfig config = config_of(preset, path.string());
  const ParameterCounts counts = parameter_counts(config, HeadKind::next_token);
  std::string text = fmt::format("preset        {} (sizes without weights)\narchitecture  {}\n", path.string(),
                                 shape_of(config.family));
  text +=
      fmt::format("stored        {:>19}  each set of parameters once, as a checkpoint holds it ({:.1f} GB in bf16)\n",
                  thousands(static_cast<double>(counts.stored)), static_cast<double>(counts.stored) * 2e-9);
  text += fmt::format("effective     {:>19}  each set as often as a layer applies it\n",
                      thousands(static_cast<double>(counts.effective)));
  if (preset.article_size) text += reading_of(counts, *preset.article_size);
  return {.text = std::move(text), .counts = counts};
}

}  // namespace dsd
