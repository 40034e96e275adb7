#include "core/compress/cut.h"

#include <ATen/ATen.h>

#include <charconv>
#include <vector>

#include "core/base/error.h"
#include "core/compress/walk.h"

namespace dsd {
namespace {

// An entry's name within its set ("attention.qkv.weight"), and the sets of attention and MLP weights that it is of.
struct Place {
  std::string name;
  StoredSets sets;
};

Place place_of(const WeightEntry& entry, const FamilyConfig& family) {
  constexpr std::string_view stage = "stage.";
  if (entry.layer != kNoLayer) return {entry.stem, sets_of_layer(family, entry.layer)};
  if (!entry.stem.starts_with(stage)) return {entry.stem, {}};
  std::int64_t set = 0;
  const char* end = entry.stem.data() + entry.stem.size();
  const auto digits = std::from_chars(entry.stem.data() + stage.size(), end, set);
  return {std::string(digits.ptr + 1, end), {set, set}};
}

// Each of `parts` as the `width` places that it stands for.
Tensor widened(const Tensor& parts, std::int64_t width) {
  return (parts.unsqueeze(1) * width + at::arange(width, at::TensorOptions(at::kLong))).reshape({-1});
}

Tensor rows(const Tensor& matrix, const Tensor& index) { return matrix.index_select(0, index.to(matrix.device())); }
Tensor cut(const Tensor& matrix, const Tensor& row_index, const Tensor& column_index) {
  return rows(matrix, row_index).index_select(1, column_index.to(matrix.device()));
}

bool any_of(const std::string& name, std::initializer_list<const char*> names) {
  for (const char* one : names)
    if (name == one) return true;
  return false;
}

}  // namespace

Cut::Cut(const FamilyConfig& base, const Kept& kept) : family_(base), kept_(kept), shape_(shape_of(base)) {}

Tensor Cut::query_heads(std::int64_t set) const {
  return widened(kept_.heads[static_cast<std::size_t>(set)], shape_.heads / shape_.key_heads);
}

Tensor Cut::head_columns(std::int64_t set) const { return widened(query_heads(set), shape_.head_width); }

Tensor Cut::qkv_rows(std::int64_t set) const {
  const std::int64_t width = shape_.heads * shape_.head_width, key_width = shape_.key_heads * shape_.head_width;
  const Tensor keys = widened(kept_.heads[static_cast<std::size_t>(set)], shape_.head_width);
  return at::cat({head_columns(set), keys + width, keys + width + key_width});
}

Tensor Cut::neurons(std::int64_t set) const { return kept_.neurons[static_cast<std::size_t>(set)][0]; }

// Of each expert that stays its own neurons: gates and what they let through, or the columns of what follows.
Tensor Cut::experts(const Tensor& stacked, std::int64_t set, bool down) const {
  const auto s = static_cast<std::size_t>(set);
  const std::int64_t count = std::ssize(kept_.neurons[s]), inner = intermediate_size(family_);
  const Tensor apart = stacked.view({count, stacked.size(0) / count, stacked.size(1)});
  std::vector<Tensor> parts;
  for (std::int64_t i = 0; i < kept_.experts[s].size(0); ++i) {
    const std::int64_t expert = kept_.experts[s][i].item<std::int64_t>();
    const Tensor& stay = kept_.neurons[s][static_cast<std::size_t>(expert)];
    parts.push_back(down ? cut(apart[expert], kept_.channels, stay)
                         : cut(apart[expert], at::cat({stay, stay + inner}), kept_.channels));
  }
  return at::cat(parts);
}

Tensor Cut::of(const WeightEntry& entry) const {
  const auto& [name, sets] = place_of(entry, family_);
  const Tensor& whole = entry.weight->master;
  const Tensor& channels = kept_.channels;
  const std::int64_t width = intermediate_size(family_);
  if (name == "attention.qkv.weight") return cut(whole, qkv_rows(sets.attention), channels);
  if (name == "attention.qkv.bias") return rows(whole, qkv_rows(sets.attention));
  if (name == "attention.out.weight") return cut(whole, channels, head_columns(sets.attention));
  if (name == "attention.distance_bias") return rows(whole, query_heads(sets.attention));
  if (name == "mlp.up.weight") return cut(whole, neurons(sets.mlp), channels);
  if (name == "mlp.up.bias") return rows(whole, neurons(sets.mlp));
  if (name == "mlp.down.weight") return cut(whole, channels, neurons(sets.mlp));
  const auto both = [&] { return at::cat({neurons(sets.mlp), neurons(sets.mlp) + width}); };
  if (name == "mlp.gate_up.weight") return cut(whole, both(), channels);
  if (name == "mlp.gate_up.bias") return rows(whole, both());
  if (name == "experts.router.weight") return cut(whole, kept_.experts[static_cast<std::size_t>(sets.mlp)], channels);
  if (name == "experts.gate_up.weight") return experts(whole, sets.mlp, false);
  if (name == "experts.down.weight") return experts(whole, sets.mlp, true);
  if (any_of(name, {"embeddings.words.weight", "embeddings.positions.weight", "embeddings.segments.weight",
                    "head.weight", "classifier.weight", "masked_tokens.decoder.weight"}))
    return whole.index_select(1, channels.to(whole.device()));
  if (any_of(name, {"pooler.weight", "masked_tokens.transform.weight"})) return cut(whole, channels, channels);
  if (any_of(name, {"classifier.bias", "masked_tokens.decoder.bias"})) return whole;
  TORCH_CHECK(entry.shape == std::vector{shape_.hidden}, "no rule says how '", entry.name(), "' is pruned");
  return rows(whole, channels);  // a norm, or a bias of what is added to the residual stream
}

}  // namespace dsd
