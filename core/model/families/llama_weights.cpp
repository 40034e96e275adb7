#include "core/model/families/llama_weights.h"

#include "core/base/error.h"
#include "core/model/families/decoder.h"

namespace dsd {
namespace {

void add_layer(const LlamaConfig& config, const std::string& prefix, int index, LlamaLayer& layer, WeightTable& table) {
  const std::int64_t hidden = config.hidden_size, inner = config.intermediate_size;
  const std::int64_t width = config.num_attention_heads * config.head_dim;
  LayerTable entries(table, fmt::format("{}layers.{}.", prefix, index), index);
  const DecoderSizes sizes = decoder_sizes(config);
  DecoderAttentionWeights& attention = layer.attention;
  entries.add("attention.norm.weight", attention.gain, 0, WeightUse::gain, {{"input_layernorm.weight", hidden}});
  entries.add("attention.qkv.weight", attention.qkv, hidden, WeightUse::product, qkv_parts(sizes, "weight"));
  if (config.qkv_bias)
    entries.add("attention.qkv.bias", attention.qkv_bias, 0, WeightUse::bias, qkv_parts(sizes, "bias"));
  entries.add("attention.out.weight", attention.out, width, WeightUse::product, {{"self_attn.o_proj.weight", hidden}});
  if (config.out_bias)
    entries.add("attention.out.bias", attention.out_bias, 0, WeightUse::bias, {{"self_attn.o_proj.bias", hidden}});
  GatedMlpWeights& mlp = layer.mlp;
  entries.add("mlp.norm.weight", mlp.gain, 0, WeightUse::gain, {{"post_attention_layernorm.weight", hidden}});
  entries.add("mlp.gate_up.weight", mlp.gate_up, hidden, WeightUse::product,
              {{"mlp.gate_proj.weight", inner}, {"mlp.up_proj.weight", inner}});
  if (config.mlp_bias)
    entries.add("mlp.gate_up.bias", mlp.gate_up_bias, 0, WeightUse::bias,
                {{"mlp.gate_proj.bias", inner}, {"mlp.up_proj.bias", inner}});
  entries.add("mlp.down.weight", mlp.down, inner, WeightUse::product, {{"mlp.down_proj.weight", hidden}});
  if (config.mlp_bias)
    entries.add("mlp.down.bias", mlp.down_bias, 0, WeightUse::bias, {{"mlp.down_proj.bias", hidden}});
}

}  // namespace

WeightTable llama_weight_table(const LlamaConfig& config, HeadKind head, std::int64_t outputs, LlamaWeights& weights) {
  WeightTable table;
  add_words(decoder_sizes(config), head, weights.words, table);
  weights.layers.resize(static_cast<std::size_t>(config.num_hidden_layers));
  for (std::size_t i = 0; i < weights.layers.size(); ++i)
    add_layer(config, decoder_prefix(head), static_cast<int>(i), weights.layers[i], table);
  add_head(decoder_sizes(config), head, outputs, weights.gain, weights.head, table);
  return table;
}

}  // namespace dsd
