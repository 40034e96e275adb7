#include <algorithm>
#include <cctype>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/gguf_model.h"
#include "core/formats/hf_config.h"
#include "core/formats/hf_config_experts.h"
#include "core/formats/hf_config_keys.h"
#include "core/formats/hf_config_llama.h"
#include "core/formats/hf_config_names.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

constexpr std::size_t kMostConfigBytes = std::size_t{1} << 24;
constexpr std::int64_t kMostLabels = 1'000'000;

Activation read_activation(const ConfigKeys& keys) {
  const std::string name = keys.text("hidden_act", "gelu");
  const std::optional<Activation> activation = activation_from_name(name);
  if (!activation) fail("{}: 'hidden_act' is '{}'; supported: {}", keys.source(), brief(name), activation_names());
  return *activation;
}

// What a BERT config may ask for that would change the numbers and is not built.
void refuse_unsupported_bert(const ConfigKeys& keys) {
  const std::string positions = keys.text("position_embedding_type", "absolute");
  if (positions != "absolute")
    fail("{}: 'position_embedding_type' is '{}'; supported: absolute", keys.source(), brief(positions));
  for (const char* key : {"is_decoder", "add_cross_attention"})
    if (keys.boolean(key, false)) fail("{}: '{}' is true; only encoders are supported for bert", keys.source(), key);
}

BertConfig read_bert(const ConfigKeys& keys) {
  refuse_unsupported_bert(keys);
  BertConfig config;
  config.vocab_size = keys.integer("vocab_size", 1, kMostCount);
  config.hidden_size = keys.integer("hidden_size", 1, kMostCount);
  config.num_hidden_layers = keys.integer("num_hidden_layers", 0, kMostLayers);
  config.num_attention_heads = keys.integer("num_attention_heads", 1, kMostCount);
  config.intermediate_size = keys.integer("intermediate_size", 1, kMostCount);
  config.hidden_act = read_activation(keys);
  config.hidden_dropout_prob = keys.number("hidden_dropout_prob", 0, 1, config.hidden_dropout_prob);
  config.attention_probs_dropout_prob =
      keys.number("attention_probs_dropout_prob", 0, 1, config.attention_probs_dropout_prob);
  if (keys.find("classifier_dropout") != nullptr)
    config.classifier_dropout = keys.number("classifier_dropout", 0, 1, 0);
  config.max_position_embeddings =
      keys.integer("max_position_embeddings", 1, kMostCount, config.max_position_embeddings);
  config.type_vocab_size = keys.integer("type_vocab_size", 1, kMostCount, config.type_vocab_size);
  config.initializer_range = keys.number("initializer_range", 0, 1e3, config.initializer_range);
  config.layer_norm_eps = keys.number("layer_norm_eps", 0, 1, config.layer_norm_eps);
  if (keys.states("pad_token_id") && keys.find("pad_token_id") == nullptr)
    config.pad_token_id.reset();  // null says that there is none; a key that is absent means 0
  else config.pad_token_id = keys.integer("pad_token_id", 0, config.vocab_size - 1, 0);
  config.tie_word_embeddings = keys.boolean("tie_word_embeddings", config.tie_word_embeddings);
  if (config.hidden_size % config.num_attention_heads != 0)
    fail("{}: 'hidden_size' {} is no multiple of 'num_attention_heads' {}", keys.source(), config.hidden_size,
         config.num_attention_heads);
  return config;
}

FamilyConfig read_family(const ConfigKeys& keys) {
  const std::string type = keys.text("model_type");
  if (type != "bert" && type != "v3" && type != "r1" && !is_llama_type(type))
    fail("{}: 'model_type' is '{}'; supported: bert, {}, v3, r1", keys.source(), brief(type), llama_types());
  if (keys.find("quantization_config") != nullptr)
    fail("{}: 'quantization_config' is there; quantised checkpoints cannot be read, use the original one",
         keys.source());
  if (type == "bert") return read_bert(keys);
  if (type == "v3") return read_v3(keys);
  if (type == "r1") return read_r1(keys);
  return read_llama(keys, type);
}

// id2label in the order of the ids: complete from 0, each name once.
std::vector<std::string> read_labels(const ConfigKeys& keys, const Json& id2label) {
  if (!id2label.is_object() || id2label.empty()) keys.wrong("id2label", "an object of ids with their labels");
  const std::size_t count = id2label.size();
  std::vector<std::optional<std::string>> by_id(count);
  for (const auto& [id, label] : id2label.items()) {
    const bool digits = !id.empty() && id.size() < 8 &&
                        std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    const std::size_t place = digits ? std::stoul(id) : count;
    if (place >= count || by_id[place])
      fail("{}: 'id2label' has {} entries, but an id '{}'; expected each id from 0 to {} once", keys.source(), count,
           brief(id), count - 1);
    if (!label.is_string()) fail("{}: 'id2label' gives {} for id {}; expected a text", keys.source(), brief(label), id);
    by_id[place] = label.get<std::string>();
  }
  std::vector<std::string> labels;
  for (auto& label : by_id) labels.push_back(std::move(*label));
  std::vector<std::string> sorted = labels;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    fail("{}: 'id2label' has the label '{}' twice; each needs a name of its own", keys.source(), brief(*twice));
  return labels;
}

std::vector<std::string> read_architectures(const ConfigKeys& keys) {
  const Json* value = keys.find("architectures");
  std::vector<std::string> names;
  if (value == nullptr) return names;
  if (!value->is_array()) keys.wrong("architectures", "a list of texts");
  for (const Json& name : *value) {
    if (!name.is_string()) keys.wrong("architectures", "a list of texts");
    names.push_back(name.get<std::string>());
  }
  return names;
}

HeadInfo read_head(const ConfigKeys& keys) {
  HeadInfo head;
  head.architectures = read_architectures(keys);
  const bool classifies =
      std::any_of(head.architectures.begin(), head.architectures.end(),
                  [](const std::string& name) { return name.ends_with("ForSequenceClassification"); });
  if (const Json* id2label = keys.find("id2label")) {
    head.labels = read_labels(keys, *id2label);
  } else if (classifies) {  // transformers leaves its default out of the file: two labels, without names
    const std::int64_t count = keys.integer("num_labels", 1, kMostLabels, 2);
    for (std::int64_t i = 0; i < count; ++i) head.labels.push_back(fmt::format("LABEL_{}", i));
  }
  if (keys.find("problem_type") != nullptr) {
    head.problem_type = problem_type_from_name(keys.text("problem_type"));
    if (!head.problem_type) keys.wrong("problem_type", std::string(problem_type_names()));
  } else if (classifies) {
    head.problem_type = head.labels.size() == 1 ? ProblemType::regression : ProblemType::single_label_classification;
  }
  return head;
}

}  // namespace

ModelConfig read_model_config(const std::filesystem::path& folder) {
  if (is_gguf(folder)) return parse_model_config(hugging_face_config(GgufFile::open(folder)), folder.string());
  const std::filesystem::path path = folder / "config.json";
  return parse_model_config(read_text(path, kMostConfigBytes), path.string());
}

ModelConfig parse_model_config(std::string_view json, const std::string& source) {
  const Json object = parse_json(json, source);
  if (!object.is_object()) fail("{}: holds no JSON object; expected a model's config", source);
  const ConfigKeys keys(object, source);
  return {read_family(keys), read_head(keys), std::string(json)};
}

bool has_placeholder_labels(const HeadInfo& head) {
  if (head.labels.size() < 2) return false;
  for (std::size_t i = 0; i < head.labels.size(); ++i)
    if (head.labels[i] != fmt::format("LABEL_{}", i)) return false;
  return true;
}

}  // namespace dsd
