#include "core/compress/prune.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/error.h"
#include "core/compress/cut.h"
#include "core/compress/walk.h"
#include "core/model/model_shape.h"

namespace dsd {
namespace {

// ---- sizes

// Error where a size grows; whether it shrinks.
bool set_size(std::int64_t& size, const std::optional<std::int64_t>& wanted, std::string_view prefix,
              std::string_view name) {
  if (!wanted) return false;
  if (*wanted < 1 || *wanted > size)
    fail_as(ExitCode::bad_input, "{}{}: {} cannot be cut out of {}; pruning takes 1 to {}", prefix, name, *wanted, size,
            size);
  const bool shrinks = *wanted < size;
  size = *wanted;
  return shrinks;
}

bool set_sizes(auto& config, const PruneSizes& sizes) {
  bool shrinks = set_size(config.num_hidden_layers, sizes.layers, sizes.prefix, "layers");
  shrinks |= set_size(config.hidden_size, sizes.hidden, sizes.prefix, "hidden");
  shrinks |= set_size(config.num_attention_heads, sizes.heads, sizes.prefix, "heads");
  return set_size(config.intermediate_size, sizes.intermediate, sizes.prefix, "intermediate") || shrinks;
}

void refuse_experts(const PruneSizes& sizes, std::string_view type) {
  if (sizes.experts)
    fail_as(ExitCode::bad_input, "{}experts: a {} model has none; leave it out (v3 and r1 have experts)", sizes.prefix,
            type);
}

bool shrink(BertConfig& bert, const PruneSizes& sizes) {
  const std::int64_t width = bert.hidden_size / bert.num_attention_heads;
  refuse_experts(sizes, "bert");
  const bool shrinks = set_sizes(bert, sizes);
  if (bert.hidden_size != bert.num_attention_heads * width)
    fail_as(ExitCode::bad_input,
            "{}hidden: a bert model's heads are as wide as hidden / heads, and {} of {} need {}; set hidden to {}{}",
            sizes.prefix, bert.num_attention_heads, width, bert.num_attention_heads * width,
            bert.num_attention_heads * width,
            bert.hidden_size % width == 0 ? fmt::format(", or heads to {}", bert.hidden_size / width) : "");
  return shrinks;
}

bool shrink_decoder(auto& decoder, const PruneSizes& sizes) {
  const std::int64_t group = decoder.num_attention_heads / decoder.num_key_value_heads;
  const bool shrinks = set_sizes(decoder, sizes);
  if (decoder.num_attention_heads % group != 0)
    fail_as(ExitCode::bad_input,
            "{}heads: {} are not whole groups of {} that read the same keys; take a multiple of {}", sizes.prefix,
            decoder.num_attention_heads, group, group);
  decoder.num_key_value_heads = decoder.num_attention_heads / group;
  return shrinks;
}

bool shrink(LlamaConfig& llama, const PruneSizes& sizes) {
  refuse_experts(sizes, llama.type);
  return shrink_decoder(llama, sizes);
}

bool shrink_experts(auto& config, const PruneSizes& sizes) {
  const bool shrinks = shrink_decoder(config, sizes);
  const bool fewer = set_size(config.num_experts, sizes.experts, sizes.prefix, "experts");
  if (config.num_experts < config.num_experts_per_tok)
    fail_as(ExitCode::bad_input, "{}experts: each row goes to {} of them, so {} are too few", sizes.prefix,
            config.num_experts_per_tok, config.num_experts);
  return shrinks || fewer;
}

bool shrink(R1Config& r1, const PruneSizes& sizes) { return shrink_experts(r1, sizes); }

bool shrink(V3Config& v3, const PruneSizes& sizes) {
  const bool shrinks = shrink_experts(v3, sizes);
  if (v3.num_hidden_layers % v3.stages != 0)
    fail_as(ExitCode::bad_input, "{}layers: {} do not share out to the {} stages; take a multiple of {}", sizes.prefix,
            v3.num_hidden_layers, v3.stages, v3.stages);
  v3.layers_per_stage = v3.num_hidden_layers / v3.stages;
  return shrinks;
}

// ---- choices

// Ascending, int64.
Tensor largest(const Tensor& scores, std::int64_t count) {
  auto order = order_of(scores);
  order.resize(static_cast<std::size_t>(count));
  std::ranges::sort(order);
  return at::tensor(order, at::TensorOptions(at::kLong));
}

Tensor doubles(std::span<const double> values) {
  return at::tensor(at::ArrayRef<double>(values.data(), values.size()), at::TensorOptions(at::kDouble));
}

// The layers that change their rows most, as many of each stage as the student has.
std::vector<std::int64_t> layers_to_keep(std::span<const double> influence, const FamilyConfig& base,
                                         const FamilyConfig& student) {
  const auto* v3 = std::get_if<V3Config>(&base);
  const std::int64_t groups = v3 != nullptr ? v3->stages : 1;
  const std::int64_t size = layer_count(base) / groups, keep = layer_count(student) / groups;
  std::vector<std::int64_t> layers;
  for (std::int64_t group = 0; group < groups; ++group) {
    const auto of_group = influence.subspan(static_cast<std::size_t>(group * size), static_cast<std::size_t>(size));
    const Tensor kept = largest(doubles(of_group), keep) + group * size;
    const auto* first = kept.const_data_ptr<std::int64_t>();
    layers.insert(layers.end(), first, first + keep);
  }
  return layers;
}

// What a layer of v3 has for itself serves its stage's experts.
void require_own_stages(std::span<const std::int64_t> layers, const FamilyConfig& base, const FamilyConfig& student) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::int64_t from = sets_of_layer(base, layers[i]).attention;
    const std::int64_t to = sets_of_layer(student, static_cast<std::int64_t>(i)).attention;
    if (std::holds_alternative<V3Config>(base) && from != to)
      fail_as(ExitCode::bad_input,
              "layer {} of the base is of its stage {}, but would stand in stage {} of the student", layers[i], from,
              to);
  }
}

// ---- norms

// What the kept channels' mean square is of that of all.
double rise(const Tensor& energy, const Tensor& channels) {
  if (channels.numel() == energy.numel()) return 1;
  const double all = energy.mean().item<double>(), kept = energy.index_select(0, channels).mean().item<double>();
  return all > 0 && kept > 0 ? kept / all : 1;
}

// Epsilon stands beside the mean square, so it is scaled as that is, by one factor for all norms.
double mean_rise(const Importance& importance, const Tensor& channels) {
  double sum = 0;
  for (const auto& [gain, energy] : importance.energy) sum += std::log(rise(energy, channels));
  return std::exp(sum / static_cast<double>(importance.energy.size()));
}

void scale_epsilon(BertConfig& bert, double factor) { bert.layer_norm_eps *= factor; }
void scale_epsilon(auto& decoder, double factor) { decoder.rms_norm_eps *= factor; }

}  // namespace

FamilyConfig pruned_family(const FamilyConfig& base, const PruneSizes& sizes) {
  FamilyConfig family = base;
  const bool shrinks = std::visit([&](auto& config) { return shrink(config, sizes); }, family);
  if (!shrinks)
    fail_as(ExitCode::bad_input,
            "nothing is to shrink: the model has {} layers x {}, MLP {}; ask for fewer layers, heads, experts or "
            "narrower widths",
            layer_count(base), hidden_size(base), intermediate_size(base));
  return family;
}

Kept choose_parts(const Importance& importance, const FamilyConfig& base, const FamilyConfig& student,
                  std::span<const std::int64_t> layers) {
  Kept kept;
  kept.layers.assign(layers.begin(), layers.end());
  require_own_stages(layers, base, student);
  if (layers.empty()) kept.layers = layers_to_keep(importance.layers, base, student);
  for (const Tensor& scores : importance.heads) kept.heads.push_back(largest(scores, shape_of(student).key_heads));
  for (const Tensor& scores : importance.neurons) {
    auto& of_set = kept.neurons.emplace_back();
    for (const Tensor& of_expert : scores.unbind(0)) of_set.push_back(largest(of_expert, intermediate_size(student)));
  }
  for (const Tensor& scores : importance.experts)
    kept.experts.push_back(largest(scores, experts_of(student)->num_experts));
  kept.channels = largest(importance.channels, hidden_size(student));
  return kept;
}

std::unique_ptr<Model> pruned_model(Model& base, ModelConfig config, const Kept& kept, const Importance& importance,
                                    bool copy_head, const ModelOptions& options, const RandomKey& random,
                                    std::vector<std::string>* fresh) {
  const double factor = mean_rise(importance, kept.channels);
  std::visit([&](auto& family) { scale_epsilon(family, factor); }, config.family);
  const Cut cut(base.config().family, kept);
  const TakeWeight take = [&](const WeightEntry& entry) {
    const Tensor taken = cut.of(entry);
    const auto energy = importance.energy.find(entry.name());
    return energy == importance.energy.end() ? taken : taken * std::sqrt(rise(energy->second, kept.channels));
  };
  std::vector<std::string> drawn;
  auto model = student_model(base, config, kept.layers, copy_head, take, options, random, &drawn);
  for (const WeightEntry& entry : model->weights())
    TORCH_CHECK(entry.of_head || std::ranges::find(drawn, entry.tensors[0].name) == drawn.end(), entry.name(),
                " of the pruned model was not cut out of its base");
  if (fresh != nullptr) fresh->insert(fresh->end(), drawn.begin(), drawn.end());
  return model;
}

}  // namespace dsd
