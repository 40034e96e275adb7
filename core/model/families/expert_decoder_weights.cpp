#include "core/model/families/expert_decoder_weights.h"

#include "core/base/error.h"
#include "core/model/families/decoder.h"

namespace dsd {
namespace {

// Of the layer's own entries: where they stand and how often they count.
struct Place {
  std::string prefix, stem;  // of the checkpoint's names and of ours
  int layer = kNoLayer;
  std::int64_t applied = 1;
};

class Builder {
 public:
  Builder(const ExpertDecoderConfig& config, HeadKind head, WeightTable& table)
      : config_(config), prefix_(decoder_prefix(head)), table_(table) {}

  DecoderSizes sizes() const { return decoder_sizes(config_); }

  void add_attention(const Place& place, DecoderAttentionWeights& weights, std::int64_t buckets) {
    const std::int64_t hidden = config_.hidden_size, width = config_.num_attention_heads * config_.head_dim;
    add(place, "attention.qkv.weight", weights.qkv, hidden, WeightUse::product, qkv_parts(sizes(), "weight"));
    add(place, "attention.out.weight", weights.out, width, WeightUse::product, {{"self_attn.o_proj.weight", hidden}});
    if (buckets > 0)
      add(place, "attention.distance_bias", weights.distance_bias, buckets, WeightUse::bias,
          {{"self_attn.distance_bias", config_.num_attention_heads}});
  }

  void add_own(const Place& place, OwnWeights& weights) {
    const std::int64_t hidden = config_.hidden_size;
    add(place, "attention.norm.weight", weights.attention_gain, 0, WeightUse::gain,
        {{"input_layernorm.weight", hidden}});
    add(place, "experts.norm.weight", weights.mlp_gain, 0, WeightUse::gain,
        {{"post_attention_layernorm.weight", hidden}});
    add(place, "experts.router.weight", weights.router, hidden, WeightUse::head,
        {{"router.weight", config_.num_experts}});
  }

  void add_experts(const Place& place, ExpertWeights& weights) {
    const std::int64_t hidden = config_.hidden_size, inner = config_.intermediate_size;
    std::vector<CheckpointTensor> gate_up, down;
    for (std::int64_t expert = 0; expert < config_.num_experts; ++expert) {
      const auto name = [&](const char* kind) { return fmt::format("experts.{}.{}_proj.weight", expert, kind); };
      gate_up.push_back({name("gate"), inner});
      gate_up.push_back({name("up"), inner});
      down.push_back({name("down"), hidden});
    }
    add(place, "experts.gate_up.weight", weights.gate_up, hidden, WeightUse::product, std::move(gate_up));
    add(place, "experts.down.weight", weights.down, inner, WeightUse::product, std::move(down));
  }

 private:
  void add(const Place& place, const char* stem, Weight& weight, std::int64_t columns, WeightUse use,
           std::vector<CheckpointTensor> parts) {
    LayerTable(table_, prefix_ + place.prefix, place.layer, place.stem)
        .add(stem, weight, columns, use, std::move(parts))
        .applied = place.applied;
  }

  const ExpertDecoderConfig& config_;
  std::string prefix_;
  WeightTable& table_;
};

Place of_stage(const V3Config& config, std::int64_t stage, const char* group) {
  return {fmt::format("{}.{}.", group, stage), fmt::format("stage.{}.", stage), kNoLayer, config.layers_per_stage};
}

Place of_layer(std::int64_t layer) { return {fmt::format("layers.{}.", layer), "", static_cast<int>(layer), 1}; }

void add_layers(const V3Config& config, Builder& builder, ExpertDecoderWeights& weights) {
  weights.attention.resize(static_cast<std::size_t>(config.stages));
  weights.experts.resize(weights.attention.size());
  for (std::int64_t stage = 0; stage < config.stages; ++stage) {
    const auto s = static_cast<std::size_t>(stage);
    builder.add_attention(of_stage(config, stage, "stages"), weights.attention[s], config.distance_buckets);
    builder.add_experts(of_stage(config, stage, "stages"), weights.experts[s]);
  }
  const bool shares = config.share == V3Config::Share::all;
  weights.own.resize(static_cast<std::size_t>(shares ? config.stages : config.num_hidden_layers));
  for (std::size_t i = 0; i < weights.own.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    builder.add_own(shares ? of_stage(config, index, "layers") : of_layer(index), weights.own[i]);
  }
}

void add_layers(const R1Config& config, Builder& builder, ExpertDecoderWeights& weights) {
  weights.attention.resize(static_cast<std::size_t>(config.num_hidden_layers));
  weights.own.resize(weights.attention.size());
  for (std::size_t i = 0; i < weights.own.size(); ++i) {
    const Place place = of_layer(static_cast<std::int64_t>(i));
    builder.add_attention(place, weights.attention[i], 0);
    builder.add_own(place, weights.own[i]);
  }
  weights.experts.resize(1);
  builder.add_experts({.prefix = "", .stem = "", .layer = kNoLayer, .applied = config.num_hidden_layers},
                      weights.experts[0]);
}

}  // namespace

LayerSets sets_of(const FamilyConfig& family, std::int64_t layer) {
  const auto l = static_cast<std::size_t>(layer);
  const auto* v3 = std::get_if<V3Config>(&family);
  if (v3 == nullptr) return {.own = l, .attention = l, .experts = 0};
  const std::size_t stage = l / static_cast<std::size_t>(v3->layers_per_stage);
  return {.own = v3->share == V3Config::Share::all ? stage : l, .attention = stage, .experts = stage};
}

WeightTable expert_decoder_weight_table(const FamilyConfig& family, HeadKind head, std::int64_t outputs,
                                        ExpertDecoderWeights& weights) {
  WeightTable table;
  Builder builder(*experts_of(family), head, table);
  add_words(builder.sizes(), head, weights.words, table);
  if (const auto* v3 = std::get_if<V3Config>(&family)) add_layers(*v3, builder, weights);
  else add_layers(std::get<R1Config>(family), builder, weights);
  add_head(builder.sizes(), head, outputs, weights.gain, weights.head, table);
  return table;
}

}  // namespace dsd
