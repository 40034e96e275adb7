#pragma once
// config.json of a Hugging Face model folder as typed structs: one alternative of FamilyConfig for each family, and
// what its head is for. The text as it was read is kept, so that keys which we do not know travel with an export.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/formats/dtype.h"
#include "core/types/activation.h"

namespace dsd {

struct BertConfig {
  std::int64_t vocab_size = 30522;
  std::int64_t hidden_size = 768;
  std::int64_t num_hidden_layers = 12;
  std::int64_t num_attention_heads = 12;
  std::int64_t intermediate_size = 3072;
  Activation hidden_act = Activation::gelu;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  std::optional<double> classifier_dropout;  // none: hidden_dropout_prob
  std::int64_t max_position_embeddings = 512;
  std::int64_t type_vocab_size = 2;
  double initializer_range = 0.02;
  double layer_norm_eps = 1e-12;
  std::optional<std::int64_t> pad_token_id = 0;
  bool tie_word_embeddings = true;  // the masked-language-model head's weight is the word embedding

  bool operator==(const BertConfig&) const = default;
};

// How a decoder stretches its rotary frequencies beyond the length that it was trained on.
struct RopeScaling {
  enum class Kind { none, linear, llama3 } kind = Kind::none;
  double factor = 1;
  double low_frequency_factor = 1, high_frequency_factor = 4;  // llama3
  std::int64_t original_positions = 8192;                      // llama3

  bool operator==(const RopeScaling&) const = default;
};

// The decoder that Llama, Mistral, Qwen2 and SmolLM2 share.
struct LlamaConfig {
  std::string type = "llama";  // model_type: llama, mistral or qwen2
  std::int64_t vocab_size = 32000;
  std::int64_t hidden_size = 4096;
  std::int64_t num_hidden_layers = 32;
  std::int64_t num_attention_heads = 32;
  std::int64_t num_key_value_heads = 32;
  std::int64_t head_dim = 128;
  std::int64_t intermediate_size = 11008;
  std::int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  bool qkv_bias = false, out_bias = false, mlp_bias = false;
  std::int64_t sliding_window = 0;  // tokens that a query sees, itself included; 0: all before it
  double initializer_range = 0.02;
  bool tie_word_embeddings = false;
  std::optional<std::int64_t> bos_token_id, eos_token_id, pad_token_id;

  bool operator==(const LlamaConfig&) const = default;
};

// What the article's two decoders share. A layer's MLP is a mixture of experts, and `intermediate_size` is the width of
// one.
struct ExpertDecoderConfig {
  std::int64_t vocab_size = 32000;
  std::int64_t hidden_size = 512;
  std::int64_t num_hidden_layers = 8;
  std::int64_t num_attention_heads = 8;
  std::int64_t num_key_value_heads = 8;
  std::int64_t head_dim = 64;
  std::int64_t intermediate_size = 1024;
  std::int64_t num_experts = 8;
  std::int64_t num_experts_per_tok = 2;
  double router_aux_loss_coef = 0.01;  // of the balance loss in training
  std::int64_t max_position_embeddings = 4096;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  double initializer_range = 0.02;
  bool tie_word_embeddings = false;
  std::optional<std::int64_t> bos_token_id, eos_token_id, pad_token_id;

  bool operator==(const ExpertDecoderConfig&) const = default;
};

// The article's V3: stages of layers that share one set of parameters. num_hidden_layers = stages * layers_per_stage.
struct V3Config : ExpertDecoderConfig {
  enum class Share { all, all_but_router } share = Share::all;  // all_but_router: each layer has its router and norms
  std::int64_t stages = 4;
  std::int64_t layers_per_stage = 2;
  std::int64_t distance_buckets = 32;  // of the bias by relative distance, as T5's
  std::int64_t distance_max = 128;     // from which distances share the last bucket

  bool operator==(const V3Config&) const = default;
};

// The article's R1: attention within blocks, one set of experts for all layers.
struct R1Config : ExpertDecoderConfig {
  std::int64_t block_size = 64;
  std::int64_t look_back = 1;  // whole blocks before its own that a token sees
  std::int64_t sinks = 4;      // first tokens that stay visible

  bool operator==(const R1Config&) const = default;
};

using FamilyConfig = std::variant<BertConfig, LlamaConfig, V3Config, R1Config>;

enum class ProblemType { regression, single_label_classification, multi_label_classification };

struct HeadInfo {
  std::optional<ProblemType> problem_type;  // as stated, or told by the number of labels; none: no classification head
  std::vector<std::string> labels;          // the name of each output, in the order of the logits
  std::vector<std::string> architectures;   // "BertForSequenceClassification", ...
};

struct ModelConfig {
  FamilyConfig family;
  HeadInfo head;
  std::string json;  // the file as it was read; empty for a config made here
};

// Error naming file and key where a key is missing, mistyped, out of range, or asks for what is not supported.
ModelConfig read_model_config(const std::filesystem::path& folder);  // folder/config.json, or a GGUF file's metadata
ModelConfig parse_model_config(std::string_view json, const std::string& source);

// The text of config.json: the keys of `config.json` in their order, with the structs' values in place; `weights` is
// the dtype of the file beside it (f32, bf16, f16).
std::string write_model_config(const ModelConfig& config, Dtype weights);

std::string_view model_type(const FamilyConfig& family);  // "bert", "llama", "qwen2", ...

// The experts' part of a config; null for a family that has none.
const ExpertDecoderConfig* experts_of(const FamilyConfig& family);

// What every family counts.
std::int64_t vocab_size(const FamilyConfig& family);
std::int64_t layer_count(const FamilyConfig& family);
std::int64_t hidden_size(const FamilyConfig& family);
std::int64_t intermediate_size(const FamilyConfig& family);
std::int64_t most_positions(const FamilyConfig& family);

// True for labels like LABEL_0, which say nothing; false for regression, whose one output has no name to match.
bool has_placeholder_labels(const HeadInfo& head);

}  // namespace dsd
