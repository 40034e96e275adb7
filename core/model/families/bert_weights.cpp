#include "core/model/families/bert_weights.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "core/base/error.h"

namespace dsd {
namespace {

constexpr std::string_view kPrefix = "bert.";

std::string without_prefix(std::string_view name) {
  return std::string(name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name);
}

// Appends entries of one module; names get the module's prefix.
class TableBuilder {
 public:
  TableBuilder(WeightTable& table, std::string prefix, int layer)
      : table_(table), prefix_(std::move(prefix)), layer_(layer) {}

  WeightEntry& add(const char* stem, Weight& weight, std::vector<std::int64_t> shape, WeightUse use,
                   std::vector<std::string> names) {
    WeightEntry entry{.stem = stem, .layer = layer_, .weight = &weight, .shape = std::move(shape), .use = use};
    const std::int64_t rows = entry.shape[0] / static_cast<std::int64_t>(names.size());
    for (const std::string& name : names) entry.tensors.push_back({.name = prefix_ + name, .rows = rows});
    return table_.emplace_back(std::move(entry));
  }

  void add_head(const char* stem, Weight& weight, std::vector<std::int64_t> shape, WeightUse use, std::string name) {
    add(stem, weight, std::move(shape), use, {std::move(name)}).of_head = true;
  }

 private:
  WeightTable& table_;
  std::string prefix_;
  int layer_;
};

void add_embeddings(const BertConfig& config, const BertParts& parts, const std::string& prefix,
                    EmbeddingWeights& weights, WeightTable& table) {
  const std::int64_t hidden = config.hidden_size;
  const bool decodes = parts.head == HeadKind::masked_tokens && config.tie_word_embeddings;
  TableBuilder builder(table, prefix + "embeddings.", kNoLayer);
  builder
      .add("embeddings.words.weight", weights.words, {config.vocab_size, hidden}, WeightUse::look_up,
           {"word_embeddings.weight"})
      .sparse_gradient = !decodes;
  builder.add("embeddings.positions.weight", weights.positions, {config.max_position_embeddings, hidden},
              WeightUse::look_up, {"position_embeddings.weight"});
  builder.add("embeddings.segments.weight", weights.segments, {config.type_vocab_size, hidden}, WeightUse::look_up,
              {"token_type_embeddings.weight"});
  builder.add("embeddings.norm.weight", weights.gain, {hidden}, WeightUse::gain, {"LayerNorm.weight"});
  builder.add("embeddings.norm.bias", weights.bias, {hidden}, WeightUse::bias, {"LayerNorm.bias"});
}

void add_layer(const BertConfig& config, const std::string& prefix, int index, BertLayer& layer, WeightTable& table) {
  const std::int64_t hidden = config.hidden_size, inner = config.intermediate_size;
  TableBuilder builder(table, fmt::format("{}encoder.layer.{}.", prefix, index), index);
  AttentionWeights& attention = layer.attention;
  const auto projections = [](const char* part) {
    std::vector<std::string> names;
    for (const char* name : {"query", "key", "value"}) names.push_back(fmt::format("attention.self.{}.{}", name, part));
    return names;
  };
  builder.add("attention.qkv.weight", attention.qkv, {3 * hidden, hidden}, WeightUse::product, projections("weight"));
  builder.add("attention.qkv.bias", attention.qkv_bias, {3 * hidden}, WeightUse::bias, projections("bias"));
  builder.add("attention.out.weight", attention.out, {hidden, hidden}, WeightUse::product,
              {"attention.output.dense.weight"});
  builder.add("attention.out.bias", attention.out_bias, {hidden}, WeightUse::bias, {"attention.output.dense.bias"});
  builder.add("attention.norm.weight", attention.gain, {hidden}, WeightUse::gain,
              {"attention.output.LayerNorm.weight"});
  builder.add("attention.norm.bias", attention.bias, {hidden}, WeightUse::bias, {"attention.output.LayerNorm.bias"});
  MlpWeights& mlp = layer.mlp;
  builder.add("mlp.up.weight", mlp.up, {inner, hidden}, WeightUse::product, {"intermediate.dense.weight"});
  builder.add("mlp.up.bias", mlp.up_bias, {inner}, WeightUse::bias, {"intermediate.dense.bias"});
  builder.add("mlp.down.weight", mlp.down, {hidden, inner}, WeightUse::product, {"output.dense.weight"});
  builder.add("mlp.down.bias", mlp.down_bias, {hidden}, WeightUse::bias, {"output.dense.bias"});
  builder.add("mlp.norm.weight", mlp.gain, {hidden}, WeightUse::gain, {"output.LayerNorm.weight"});
  builder.add("mlp.norm.bias", mlp.bias, {hidden}, WeightUse::bias, {"output.LayerNorm.bias"});
}

void add_classifier(const BertConfig& config, const BertParts& parts, BertWeights& weights, WeightTable& table) {
  TableBuilder builder(table, "", kNoLayer);
  builder.add_head("classifier.weight", weights.classifier, {parts.outputs, config.hidden_size}, WeightUse::head,
                   "classifier.weight");
  builder.add_head("classifier.bias", weights.classifier_bias, {parts.outputs}, WeightUse::bias, "classifier.bias");
}

void add_masked_tokens(const BertConfig& config, BertWeights& weights, WeightTable& table) {
  const std::int64_t hidden = config.hidden_size;
  TableBuilder builder(table, "cls.predictions.", kNoLayer);
  builder.add_head("masked_tokens.transform.weight", weights.transform, {hidden, hidden}, WeightUse::head,
                   "transform.dense.weight");
  builder.add_head("masked_tokens.transform.bias", weights.transform_bias, {hidden}, WeightUse::bias,
                   "transform.dense.bias");
  builder.add_head("masked_tokens.norm.weight", weights.transform_gain, {hidden}, WeightUse::gain,
                   "transform.LayerNorm.weight");
  builder.add_head("masked_tokens.norm.bias", weights.transform_norm_bias, {hidden}, WeightUse::bias,
                   "transform.LayerNorm.bias");
  if (!config.tie_word_embeddings)
    builder.add_head("masked_tokens.decoder.weight", weights.decoder, {config.vocab_size, hidden}, WeightUse::head,
                     "decoder.weight");
  builder.add_head("masked_tokens.decoder.bias", weights.decoder_bias, {config.vocab_size}, WeightUse::bias,
                   config.tie_word_embeddings ? "bias" : "decoder.bias");
}

std::vector<std::string> spellings(const std::string& name) {
  std::vector<std::string> names{name};
  if (name.ends_with("LayerNorm.weight")) names.push_back(name.substr(0, name.size() - 6) + "gamma");
  if (name.ends_with("LayerNorm.bias")) names.push_back(name.substr(0, name.size() - 4) + "beta");
  // One bias under two modules. Where the decoder is not tied, the two may differ, and the decoder's own is the one
  // that counts.
  if (name == "cls.predictions.bias") names.push_back("cls.predictions.decoder.bias");
  if (name == "cls.predictions.decoder.bias") names.push_back("cls.predictions.bias");
  return names;
}

void check_tied_decoder(const Checkpoint& checkpoint, std::span<const WeightEntry> table) {
  const auto has = [&](const char* stem) {
    return std::ranges::any_of(table, [&](const WeightEntry& entry) { return entry.stem == stem; });
  };
  if (!has("masked_tokens.decoder.bias") || has("masked_tokens.decoder.weight")) return;
  const TensorInfo* decoder = find_bert_tensor(checkpoint, "cls.predictions.decoder.weight");
  const TensorInfo* words = find_bert_tensor(checkpoint, "bert.embeddings.word_embeddings.weight");
  if (decoder == nullptr || words == nullptr) return;
  if (decoder->dtype != words->dtype || !std::ranges::equal(decoder->bytes, words->bytes))
    fail("{}: '{}' differs from '{}', but config.json ties them; set \"tie_word_embeddings\": false there",
         checkpoint.folder().string(), decoder->name, words->name);
}

}  // namespace

WeightTable bert_weight_table(const BertConfig& config, const BertParts& parts, BertWeights& weights) {
  // transformers gives its bare encoder no prefix.
  const std::string prefix(parts.head == HeadKind::none ? "" : kPrefix);
  WeightTable table;
  add_embeddings(config, parts, prefix, weights.embeddings, table);
  weights.layers.resize(static_cast<std::size_t>(config.num_hidden_layers));
  for (std::size_t i = 0; i < weights.layers.size(); ++i)
    add_layer(config, prefix, static_cast<int>(i), weights.layers[i], table);
  if (parts.pooler) {
    TableBuilder builder(table, prefix, kNoLayer);
    builder.add_head("pooler.weight", weights.pooler, {config.hidden_size, config.hidden_size}, WeightUse::head,
                     "pooler.dense.weight");
    builder.add_head("pooler.bias", weights.pooler_bias, {config.hidden_size}, WeightUse::bias, "pooler.dense.bias");
  }
  if (parts.head == HeadKind::classes || parts.head == HeadKind::values) add_classifier(config, parts, weights, table);
  if (parts.head == HeadKind::masked_tokens) add_masked_tokens(config, weights, table);
  return table;
}

const TensorInfo* find_bert_tensor(const Checkpoint& checkpoint, const std::string& name) {
  for (const std::string& spelling : spellings(name)) {
    if (const TensorInfo* info = checkpoint.find(spelling)) return info;
    const std::string bare = without_prefix(spelling);
    if (const TensorInfo* info = checkpoint.find(bare == spelling ? std::string(kPrefix) + bare : bare)) return info;
  }
  return nullptr;
}

void check_bert_checkpoint(const Checkpoint& checkpoint, std::span<const WeightEntry> table) {
  check_tied_decoder(checkpoint, table);
  std::set<std::string> known{"embeddings.position_ids"};  // a constant that older versions of transformers wrote
  for (const WeightEntry& entry : table)
    for (const CheckpointTensor& tensor : entry.tensors)
      for (const std::string& spelling : spellings(tensor.name)) known.insert(without_prefix(spelling));
  for (const std::string& name : checkpoint.names()) {
    const std::string bare = without_prefix(name);
    if (!bare.starts_with("encoder.") && !bare.starts_with("embeddings.")) continue;
    if (!known.contains(bare))
      fail("{}: tensor '{}' has no place in the model that config.json describes; is 'num_hidden_layers' right?",
           checkpoint.folder().string(), name);
  }
}

}  // namespace dsd
