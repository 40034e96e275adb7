#include <array>
#include <set>
#include <utility>

#include "core/base/error.h"
#include "core/formats/hf_config.h"
#include "core/formats/hf_config_experts.h"
#include "core/formats/hf_config_llama.h"
#include "core/formats/hf_config_names.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

// The first name of each value is the one that is written.
constexpr std::array<std::pair<std::string_view, Activation>, 8> kActivations = {{
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"relu", Activation::relu},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
}};

constexpr std::array<std::pair<std::string_view, ProblemType>, 3> kProblemTypes = {{
    {"regression", ProblemType::regression},
    {"single_label_classification", ProblemType::single_label_classification},
    {"multi_label_classification", ProblemType::multi_label_classification},
}};

template <class Table>
auto value_of(const Table& table, std::string_view name) -> std::optional<decltype(table[0].second)> {
  for (const auto& [each, value] : table)
    if (each == name) return value;
  return std::nullopt;
}

template <class Table, class Value>
std::string_view name_of(const Table& table, Value wanted) {
  for (const auto& [name, value] : table)
    if (value == wanted) return name;
  return {};  // every value of the closed sets has a row
}

void put_family(Json& json, const BertConfig& config) {
  put(json, "vocab_size", config.vocab_size);
  put(json, "hidden_size", config.hidden_size);
  put(json, "num_hidden_layers", config.num_hidden_layers);
  put(json, "num_attention_heads", config.num_attention_heads);
  put(json, "intermediate_size", config.intermediate_size);
  const auto stated = json.find("hidden_act");
  if (stated == json.end() || !stated->is_string() ||
      activation_from_name(stated->get_ref<const std::string&>()) != config.hidden_act)
    put(json, "hidden_act", activation_name(config.hidden_act));
  put(json, "hidden_dropout_prob", config.hidden_dropout_prob);
  put(json, "attention_probs_dropout_prob", config.attention_probs_dropout_prob);
  if (config.classifier_dropout) put(json, "classifier_dropout", *config.classifier_dropout);
  else put(json, "classifier_dropout", nullptr);
  put(json, "max_position_embeddings", config.max_position_embeddings);
  put(json, "type_vocab_size", config.type_vocab_size);
  put(json, "initializer_range", config.initializer_range);
  put(json, "layer_norm_eps", config.layer_norm_eps);
  if (config.pad_token_id) put(json, "pad_token_id", *config.pad_token_id);
  else put(json, "pad_token_id", nullptr);
  put(json, "tie_word_embeddings", config.tie_word_embeddings);
  put(json, "position_embedding_type", "absolute");
}

void put_family(Json& json, const LlamaConfig& config) { put_llama(json, config); }
void put_family(Json& json, const V3Config& config) { put_v3(json, config); }
void put_family(Json& json, const R1Config& config) { put_r1(json, config); }

void put_labels(Json& json, const std::vector<std::string>& labels) {
  Json id2label = Json::object(), label2id = Json::object();
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!seen.insert(labels[i]).second)
      fail("config.json: the label '{}' stands twice; each needs a name of its own", brief(labels[i]));
    // Appended without a look-up, which would make this quadratic.
    id2label.get_ref<Json::object_t&>().emplace_back(std::to_string(i), labels[i]);
    label2id.get_ref<Json::object_t&>().emplace_back(labels[i], i);
  }
  put(json, "id2label", id2label);
  put(json, "label2id", label2id);
}

void put_head(Json& json, const HeadInfo& head) {
  put(json, "architectures", head.architectures);
  for (const char* key : {"num_labels", "_num_labels"}) json.erase(key);  // id2label tells it
  if (head.labels.empty())
    for (const char* key : {"id2label", "label2id"}) json.erase(key);
  else put_labels(json, head.labels);
  if (head.problem_type) put(json, "problem_type", problem_type_name(*head.problem_type));
  else json.erase("problem_type");
}

const char* torch_dtype(Dtype weights) {
  switch (weights) {
    case Dtype::f32:
      return "float32";
    case Dtype::bf16:
      return "bfloat16";
    case Dtype::f16:
      return "float16";
    default:
      fail("config.json: weights of dtype {} cannot be declared; expected F32, BF16 or F16", dtype_name(weights));
  }
}

}  // namespace

std::optional<Activation> activation_from_name(std::string_view name) { return value_of(kActivations, name); }
std::string_view activation_name(Activation activation) { return name_of(kActivations, activation); }
std::string_view activation_names() { return "gelu, gelu_new, gelu_pytorch_tanh, relu, silu"; }

std::optional<ProblemType> problem_type_from_name(std::string_view name) { return value_of(kProblemTypes, name); }
std::string_view problem_type_name(ProblemType type) { return name_of(kProblemTypes, type); }
std::string_view problem_type_names() {
  return "regression, single_label_classification or multi_label_classification";
}

std::string_view model_type(const FamilyConfig& family) {
  if (const auto* llama = std::get_if<LlamaConfig>(&family)) return llama->type;
  if (std::holds_alternative<V3Config>(family)) return "v3";
  if (std::holds_alternative<R1Config>(family)) return "r1";
  return "bert";
}

const ExpertDecoderConfig* experts_of(const FamilyConfig& family) {
  if (const auto* v3 = std::get_if<V3Config>(&family)) return v3;
  return std::get_if<R1Config>(&family);
}

std::int64_t vocab_size(const FamilyConfig& family) {
  return std::visit([](const auto& config) { return config.vocab_size; }, family);
}
std::int64_t layer_count(const FamilyConfig& family) {
  return std::visit([](const auto& config) { return config.num_hidden_layers; }, family);
}
std::int64_t hidden_size(const FamilyConfig& family) {
  return std::visit([](const auto& config) { return config.hidden_size; }, family);
}
std::int64_t intermediate_size(const FamilyConfig& family) {
  return std::visit([](const auto& config) { return config.intermediate_size; }, family);
}
std::int64_t most_positions(const FamilyConfig& family) {
  return std::visit([](const auto& config) { return config.max_position_embeddings; }, family);
}

std::string write_model_config(const ModelConfig& config, Dtype weights) {
  Json json = config.json.empty() ? Json::object() : parse_json(config.json, "the config carried along");
  json.erase("_name_or_path");  // another model's
  json.erase("dtype");          // the newer spelling of torch_dtype, which older readers do not know
  put(json, "model_type", model_type(config.family));
  put_head(json, config.head);
  std::visit([&](const auto& family) { put_family(json, family); }, config.family);
  put(json, "torch_dtype", torch_dtype(weights));
  return write_json(json);
}

}  // namespace dsd
