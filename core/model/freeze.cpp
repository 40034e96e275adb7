#include "core/model/freeze.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>

#include "core/base/error.h"
#include "core/model/weight_table.h"

namespace dsd {
namespace {

using Kind = FreezeGroup::Kind;

struct Layers {
  std::int64_t first = 0, count = 0;  // count 0: it belongs to none
};

// The layers that a weight serves. Where layers share a set, the set's number is in its name: "stage.1.attention...".
Layers layers_of(const WeightEntry& entry) {
  if (entry.layer != kNoLayer) return {entry.layer, 1};
  if (entry.applied < 2) return {};
  constexpr std::string_view stage = "stage.";
  std::int64_t set = 0;
  if (entry.stem.starts_with(stage))
    std::from_chars(entry.stem.data() + stage.size(), entry.stem.data() + entry.stem.size(), set);
  return {set * entry.applied, entry.applied};
}

Kind kind_of(const WeightEntry& entry) {
  if (layers_of(entry).count > 0) return Kind::layers;
  return entry.stem.starts_with("embeddings.") ? Kind::embeddings : Kind::head;
}

bool is_held(const WeightEntry& entry, const FreezeGroup& group) {
  if (kind_of(entry) != group.kind) return false;
  if (group.kind != Kind::layers) return true;
  const auto [first, count] = layers_of(entry);
  std::int64_t held = 0;
  for (std::int64_t layer = first; layer < first + count; ++layer) held += group.holds_layer(layer) ? 1 : 0;
  if (held > 0 && held < count)
    fail_as(
        ExitCode::bad_input,
        "student.freeze: '{}' names only some of the layers {} to {}, which share weights; name all of them or none",
        group.text(), first, first + count - 1);
  return held == count;
}

void freeze_weight(Weight& weight) {
  weight.master.set_requires_grad(false);
  weight.master.mutable_grad().reset();
  weight.row_gradient.reset();
}

}  // namespace

void freeze(Model& model, std::span<const FreezeGroup> groups) {
  const auto table = model.weights();
  const std::int64_t layers = layer_count(model.config().family);
  for (const FreezeGroup& group : groups) {
    if (group.kind == Kind::layers && std::max(group.first, group.last.value_or(group.first)) >= layers)
      fail_as(ExitCode::bad_input, "student.freeze: '{}' names a layer beyond the student's {}, counted from 0",
              group.text(), layers);
    bool found = false;
    for (const WeightEntry& entry : table) {
      if (!is_held(entry, group)) continue;
      freeze_weight(*entry.weight);
      found = true;
    }
    if (!found) fail_as(ExitCode::bad_input, "student.freeze: this student has no weights '{}'", group.text());
  }
  if (!groups.empty() &&
      std::ranges::none_of(table, [](const WeightEntry& entry) { return entry.weight->master.requires_grad(); }))
    fail_as(ExitCode::bad_input, "student.freeze names all of the student's weights: nothing is left to train");
}

void freeze_all(Model& model) {
  for (const Parameter& parameter : model.parameters()) freeze_weight(*parameter.weight);
}

}  // namespace dsd
