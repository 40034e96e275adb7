#include "core/formats/hf_config_llama.h"

#include "core/base/error.h"
#include "core/formats/hf_config_names.h"

namespace dsd {
namespace {

// Where the rope's settings stand: rope_parameters (transformers 5), else rope_scaling with rope_theta beside it.
const Json* rope_object(const ConfigKeys& keys) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const Json* value = keys.find(key);
    if (value == nullptr) continue;
    if (!value->is_object()) keys.wrong(key, "an object");
    return value;
  }
  return nullptr;
}

RopeScaling read_scaling(const ConfigKeys& rope, std::int64_t positions) {
  RopeScaling scaling;
  const std::string kind = rope.text("rope_type", rope.text("type", "default"));
  if (kind == "default") return scaling;
  scaling.factor = rope.number("factor", 1, 1e6, 1);
  if (kind == "linear") {
    scaling.kind = RopeScaling::Kind::linear;
  } else if (kind == "llama3") {
    scaling.kind = RopeScaling::Kind::llama3;
    scaling.low_frequency_factor = rope.number("low_freq_factor", 1e-6, 1e6, scaling.low_frequency_factor);
    scaling.high_frequency_factor = rope.number("high_freq_factor", 1e-6, 1e6, scaling.high_frequency_factor);
    scaling.original_positions = rope.integer("original_max_position_embeddings", 1, kMostCount, positions);
    if (scaling.high_frequency_factor <= scaling.low_frequency_factor)
      fail("{}: 'high_freq_factor' {} is not above 'low_freq_factor' {}", rope.source(), scaling.high_frequency_factor,
           scaling.low_frequency_factor);
  } else {
    fail("{}: 'rope_type' is '{}'; supported: default, linear, llama3", rope.source(), brief(kind));
  }
  return scaling;
}

void read_rope(const ConfigKeys& keys, LlamaConfig& config) {
  config.rope_theta = keys.number("rope_theta", 1e-6, 1e15, config.rope_theta);
  const double share = keys.number("partial_rotary_factor", 0, 1.0000001, 1);
  if (share != 1) fail("{}: 'partial_rotary_factor' is {}; supported: 1", keys.source(), share);
  const Json* object = rope_object(keys);
  if (object == nullptr) return;
  const ConfigKeys rope(*object, keys.source());
  config.rope_theta = rope.number("rope_theta", 1e-6, 1e15, config.rope_theta);
  config.rope_scaling = read_scaling(rope, config.max_position_embeddings);
}

// Mistral's window is in force when it is stated, Qwen2's only where a flag says so.
std::int64_t read_window(const ConfigKeys& keys, const std::string& type) {
  if (type == "llama" || keys.find("sliding_window") == nullptr) return 0;
  const std::int64_t window = keys.integer("sliding_window", 1, kMostCount);
  if (type == "mistral") return window;
  if (!keys.boolean("use_sliding_window", false)) return 0;
  if (keys.integer("max_window_layers", 0, kMostLayers, 0) > 0)
    fail("{}: 'max_window_layers' gives some layers a window and others none; supported: 0", keys.source());
  return window;
}

void read_sizes(const ConfigKeys& keys, LlamaConfig& config) {
  config.vocab_size = keys.integer("vocab_size", 1, kMostCount);
  config.hidden_size = keys.integer("hidden_size", 1, kMostCount);
  config.num_hidden_layers = keys.integer("num_hidden_layers", 0, kMostLayers);
  config.num_attention_heads = keys.integer("num_attention_heads", 1, kMostCount);
  config.num_key_value_heads = keys.integer("num_key_value_heads", 1, kMostCount, config.num_attention_heads);
  config.intermediate_size = keys.integer("intermediate_size", 1, kMostCount);
  config.max_position_embeddings =
      keys.integer("max_position_embeddings", 1, std::int64_t{1} << 31, config.max_position_embeddings);
  if (config.num_attention_heads % config.num_key_value_heads != 0)
    fail("{}: 'num_attention_heads' {} is no multiple of 'num_key_value_heads' {}", keys.source(),
         config.num_attention_heads, config.num_key_value_heads);
  if (keys.find("head_dim") == nullptr && config.hidden_size % config.num_attention_heads != 0)
    fail("{}: 'hidden_size' {} is no multiple of 'num_attention_heads' {}, and there is no 'head_dim'", keys.source(),
         config.hidden_size, config.num_attention_heads);
  config.head_dim = keys.integer("head_dim", 1, 65536, config.hidden_size / config.num_attention_heads);
  if (config.head_dim % 2 != 0)
    fail("{}: a head is {} wide; rotary positions need an even width", keys.source(), config.head_dim);
}

}  // namespace

bool is_llama_type(std::string_view model_type) {
  return model_type == "llama" || model_type == "mistral" || model_type == "qwen2";
}

std::optional<std::int64_t> read_token(const ConfigKeys& keys, const char* key) {
  const Json* value = keys.find(key);
  if (value == nullptr) return std::nullopt;
  // Llama 3 names several ends of a turn; the first one ends a text.
  const Json& first = value->is_array() && !value->empty() ? value->front() : *value;
  if (!first.is_number_integer() || first < -1 || first >= kMostCount) keys.wrong(key, "the id of a token");
  return first.get<std::int64_t>() < 0 ? std::nullopt : std::optional(first.get<std::int64_t>());
}

std::string_view llama_types() { return "llama, mistral, qwen2"; }

LlamaConfig read_llama(const ConfigKeys& keys, const std::string& type) {
  LlamaConfig config{.type = type};
  read_sizes(keys, config);
  const std::string activation = keys.text("hidden_act", "silu");
  if (activation_from_name(activation) != Activation::silu)
    fail("{}: 'hidden_act' is '{}'; supported for {}: silu", keys.source(), brief(activation), type);
  config.rms_norm_eps = keys.number("rms_norm_eps", 0, 1, config.rms_norm_eps);
  read_rope(keys, config);
  const bool biased = keys.boolean("attention_bias", false);
  config.qkv_bias = type == "qwen2" || biased;
  config.out_bias = type == "llama" && biased;
  config.mlp_bias = type == "llama" && keys.boolean("mlp_bias", false);
  if (keys.number("attention_dropout", 0, 1, 0) != 0)
    fail("{}: 'attention_dropout' is not 0; decoders are built without dropout", keys.source());
  config.sliding_window = read_window(keys, type);
  config.initializer_range = keys.number("initializer_range", 0, 1e3, config.initializer_range);
  config.tie_word_embeddings = keys.boolean("tie_word_embeddings", config.tie_word_embeddings);
  config.bos_token_id = read_token(keys, "bos_token_id");
  config.eos_token_id = read_token(keys, "eos_token_id");
  config.pad_token_id = read_token(keys, "pad_token_id");
  return config;
}

void put_llama(Json& json, const LlamaConfig& config) {
  put_decoder_sizes(json, config);
  put(json, "hidden_act", "silu");
  put(json, "max_position_embeddings", config.max_position_embeddings);
  put(json, "rms_norm_eps", config.rms_norm_eps);
  put(json, "initializer_range", config.initializer_range);
  put(json, "tie_word_embeddings", config.tie_word_embeddings);
  if (config.type == "llama") {
    put(json, "attention_bias", config.qkv_bias);
    put(json, "mlp_bias", config.mlp_bias);
  } else if (config.sliding_window > 0) {
    put(json, "sliding_window", config.sliding_window);
    if (config.type == "qwen2") {
      put(json, "use_sliding_window", true);
      put(json, "max_window_layers", 0);
    }
  } else if (config.type == "mistral") {
    put(json, "sliding_window", nullptr);
  }
  // The older spelling, which transformers 5 reads too.
  json.erase("rope_parameters");
  put(json, "rope_theta", config.rope_theta);
  const RopeScaling& scaling = config.rope_scaling;
  if (scaling.kind == RopeScaling::Kind::none) {
    put(json, "rope_scaling", nullptr);
  } else if (scaling.kind == RopeScaling::Kind::linear) {
    put(json, "rope_scaling", Json{{"rope_type", "linear"}, {"factor", scaling.factor}});
  } else {
    put(json, "rope_scaling",
        Json{{"rope_type", "llama3"},
             {"factor", scaling.factor},
             {"low_freq_factor", scaling.low_frequency_factor},
             {"high_freq_factor", scaling.high_frequency_factor},
             {"original_max_position_embeddings", scaling.original_positions}});
  }
}

}  // namespace dsd
