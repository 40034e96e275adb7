#include "core/model/families/llama_weights.h"

#include <set>
#include <string_view>

#include "core/base/error.h"

namespace dsd {
namespace {

constexpr std::string_view kPrefix = "model.";

class LayerTable {
 public:
  LayerTable(WeightTable& table, std::string prefix, int layer)
      : table_(table), prefix_(std::move(prefix)), layer_(layer) {}

  // `parts` are the checkpoint's tensors with their rows, stacked; columns 0 for a vector.
  void add(const char* stem, Weight& weight, std::int64_t columns, WeightUse use, std::vector<CheckpointTensor> parts) {
    WeightEntry entry{.stem = stem, .layer = layer_, .weight = &weight, .use = use};
    std::int64_t rows = 0;
    for (CheckpointTensor& part : parts) {
      rows += part.rows;
      part.name = prefix_ + part.name;
    }
    entry.shape = columns > 0 ? std::vector{rows, columns} : std::vector{rows};
    entry.tensors = std::move(parts);
    table_.push_back(std::move(entry));
  }

 private:
  WeightTable& table_;
  std::string prefix_;
  int layer_;
};

void add_layer(const LlamaConfig& config, const std::string& prefix, int index, LlamaLayer& layer, WeightTable& table) {
  const std::int64_t hidden = config.hidden_size, inner = config.intermediate_size;
  const std::int64_t width = config.num_attention_heads * config.head_dim;
  const std::int64_t key_width = config.num_key_value_heads * config.head_dim;
  LayerTable entries(table, fmt::format("{}layers.{}.", prefix, index), index);
  const auto projections = [&](const char* kind) {
    std::vector<CheckpointTensor> parts;
    for (const auto& [name, rows] : {std::pair("q", width), std::pair("k", key_width), std::pair("v", key_width)})
      parts.push_back({.name = fmt::format("self_attn.{}_proj.{}", name, kind), .rows = rows});
    return parts;
  };
  DecoderAttentionWeights& attention = layer.attention;
  entries.add("attention.norm.weight", attention.gain, 0, WeightUse::gain, {{"input_layernorm.weight", hidden}});
  entries.add("attention.qkv.weight", attention.qkv, hidden, WeightUse::product, projections("weight"));
  if (config.qkv_bias) entries.add("attention.qkv.bias", attention.qkv_bias, 0, WeightUse::bias, projections("bias"));
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

void add_head(const LlamaConfig& config, HeadKind head, std::int64_t outputs, LlamaWeights& weights,
              WeightTable& table) {
  LayerTable entries(table, "", kNoLayer);
  if (head == HeadKind::next_token && !config.tie_word_embeddings) {
    entries.add("head.weight", weights.head, config.hidden_size, WeightUse::product,
                {{"lm_head.weight", config.vocab_size}});
    table.back().of_head = true;
  } else if (head == HeadKind::classes || head == HeadKind::values) {
    entries.add("classifier.weight", weights.head, config.hidden_size, WeightUse::head, {{"score.weight", outputs}});
    table.back().of_head = true;
  }
}

std::string without_prefix(std::string_view name) {
  return std::string(name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name);
}

}  // namespace

WeightTable llama_weight_table(const LlamaConfig& config, HeadKind head, std::int64_t outputs, LlamaWeights& weights) {
  // transformers gives its bare decoder no prefix.
  const std::string prefix(head == HeadKind::none ? "" : kPrefix);
  const bool tied = head == HeadKind::next_token && config.tie_word_embeddings;
  WeightTable table;
  LayerTable(table, prefix, kNoLayer)
      .add("embeddings.words.weight", weights.words, config.hidden_size, tied ? WeightUse::product : WeightUse::look_up,
           {{"embed_tokens.weight", config.vocab_size}});
  table.back().sparse_gradient = !tied;
  weights.layers.resize(static_cast<std::size_t>(config.num_hidden_layers));
  for (std::size_t i = 0; i < weights.layers.size(); ++i)
    add_layer(config, prefix, static_cast<int>(i), weights.layers[i], table);
  LayerTable(table, prefix, kNoLayer)
      .add("norm.weight", weights.gain, 0, WeightUse::gain, {{"norm.weight", config.hidden_size}});
  add_head(config, head, outputs, weights, table);
  return table;
}

const TensorInfo* find_llama_tensor(const Checkpoint& checkpoint, const std::string& name) {
  if (const TensorInfo* info = checkpoint.find(name)) return info;
  const std::string bare = without_prefix(name);
  return checkpoint.find(bare == name ? std::string(kPrefix) + bare : bare);
}

void check_llama_checkpoint(const Checkpoint& checkpoint, std::span<const WeightEntry> table) {
  std::set<std::string> known;
  for (const WeightEntry& entry : table)
    for (const CheckpointTensor& tensor : entry.tensors) known.insert(without_prefix(tensor.name));
  for (const std::string& name : checkpoint.names()) {
    const std::string bare = without_prefix(name);
    // A buffer that older versions of transformers wrote; it follows from the config.
    if (!bare.starts_with("layers.") || bare.ends_with("rotary_emb.inv_freq")) continue;
    if (!known.contains(bare))
      fail("{}: tensor '{}' has no place in the model that config.json describes; is 'num_hidden_layers' right?",
           checkpoint.folder().string(), name);
  }
}

}  // namespace dsd
