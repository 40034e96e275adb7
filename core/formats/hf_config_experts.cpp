#include "core/formats/hf_config_experts.h"

#include "core/base/error.h"
#include "core/formats/hf_config_llama.h"

namespace dsd {
namespace {

constexpr std::int64_t kMostPositions = (std::int64_t{1} << 31) - 1;
constexpr std::int64_t kMostExperts = 1 << 20;  // in all stages: each has tensors of its own

void read_shared(const ConfigKeys& keys, ExpertDecoderConfig& config) {
  config.vocab_size = keys.integer("vocab_size", 1, kMostCount);
  config.hidden_size = keys.integer("hidden_size", 1, kMostCount);
  config.num_attention_heads = keys.integer("num_attention_heads", 1, kMostCount);
  config.num_key_value_heads = keys.integer("num_key_value_heads", 1, kMostCount, config.num_attention_heads);
  config.head_dim = keys.integer("head_dim", 1, 65536, config.hidden_size / config.num_attention_heads);
  config.intermediate_size = keys.integer("intermediate_size", 1, kMostCount);
  config.num_experts = keys.integer("num_experts", 1, 65536, config.num_experts);
  config.num_experts_per_tok = keys.integer("num_experts_per_tok", 1, 65536, config.num_experts_per_tok);
  config.router_aux_loss_coef = keys.number("router_aux_loss_coef", 0, 1e6, config.router_aux_loss_coef);
  config.max_position_embeddings =
      keys.integer("max_position_embeddings", 1, kMostPositions, config.max_position_embeddings);
  config.rms_norm_eps = keys.number("rms_norm_eps", 0, 1, config.rms_norm_eps);
  config.rope_theta = keys.number("rope_theta", 1e-6, 1e15, config.rope_theta);
  config.initializer_range = keys.number("initializer_range", 0, 1e3, config.initializer_range);
  config.tie_word_embeddings = keys.boolean("tie_word_embeddings", config.tie_word_embeddings);
  config.bos_token_id = read_token(keys, "bos_token_id");
  config.eos_token_id = read_token(keys, "eos_token_id");
  config.pad_token_id = read_token(keys, "pad_token_id");
}

void put_token(Json& json, const char* key, const std::optional<std::int64_t>& id) {
  if (id) put(json, key, *id);
}

// `name` is the stem of the classes in the file of `type`, which travels beside config.json.
void put_shared(Json& json, const ExpertDecoderConfig& config, const std::string& type, const std::string& name) {
  put_decoder_sizes(json, config);
  put(json, "num_experts", config.num_experts);
  put(json, "num_experts_per_tok", config.num_experts_per_tok);
  put(json, "router_aux_loss_coef", config.router_aux_loss_coef);
  put(json, "max_position_embeddings", config.max_position_embeddings);
  put(json, "rms_norm_eps", config.rms_norm_eps);
  put(json, "rope_theta", config.rope_theta);
  put(json, "initializer_range", config.initializer_range);
  put(json, "tie_word_embeddings", config.tie_word_embeddings);
  put_token(json, "bos_token_id", config.bos_token_id);
  put_token(json, "eos_token_id", config.eos_token_id);
  put_token(json, "pad_token_id", config.pad_token_id);
  put(json, "use_cache", false);
  const std::string module = "reference_" + type + "." + name;
  put(json, "auto_map",
      Json{{"AutoConfig", module + "Config"},
           {"AutoModel", module + "Model"},
           {"AutoModelForCausalLM", module + "ForCausalLM"},
           {"AutoModelForSequenceClassification", module + "ForSequenceClassification"}});
}

}  // namespace

void check_sizes(const ExpertDecoderConfig& config, const std::string& source) {
  if (config.num_attention_heads % config.num_key_value_heads != 0)
    fail("{}: 'num_attention_heads' {} is no multiple of 'num_key_value_heads' {}", source, config.num_attention_heads,
         config.num_key_value_heads);
  if (config.head_dim < 2 || config.head_dim % 2 != 0)
    fail("{}: a head is {} wide ('head_dim'); rotary positions need an even width", source, config.head_dim);
  if (config.num_experts_per_tok > config.num_experts)
    fail("{}: 'num_experts_per_tok' is {}, but there are {} experts ('num_experts')", source,
         config.num_experts_per_tok, config.num_experts);
}

void check_sizes(const V3Config& config, const std::string& source) {
  check_sizes(static_cast<const ExpertDecoderConfig&>(config), source);
  if (config.stages * config.layers_per_stage > kMostLayers)
    fail("{}: {} stages of {} layers ('stages', 'layers_per_stage') are more than {} layers", source, config.stages,
         config.layers_per_stage, kMostLayers);
  if (config.stages * config.num_experts > kMostExperts)
    fail("{}: {} stages of {} experts ('stages', 'num_experts') are more than {} experts", source, config.stages,
         config.num_experts, kMostExperts);
  if (config.num_hidden_layers != config.stages * config.layers_per_stage)
    fail("{}: 'num_hidden_layers' is {}, but {} stages of {} layers make {}", source, config.num_hidden_layers,
         config.stages, config.layers_per_stage, config.stages * config.layers_per_stage);
}

void check_sizes(const R1Config& config, const std::string& source) {
  check_sizes(static_cast<const ExpertDecoderConfig&>(config), source);
}

V3Config read_v3(const ConfigKeys& keys) {
  V3Config config;
  read_shared(keys, config);
  config.stages = keys.integer("stages", 1, kMostLayers);
  config.layers_per_stage = keys.integer("layers_per_stage", 1, kMostLayers);
  config.num_hidden_layers = keys.integer("num_hidden_layers", 1, kMostLayers, config.stages * config.layers_per_stage);
  const std::string share = keys.text("share", "all");
  if (share != "all" && share != "all_but_router")
    fail("{}: 'share' is '{}'; expected all or all_but_router", keys.source(), brief(share));
  config.share = share == "all" ? V3Config::Share::all : V3Config::Share::all_but_router;
  config.distance_buckets = keys.integer("distance_buckets", 2, 65536, config.distance_buckets);
  config.distance_max = keys.integer("distance_max", 1, 1 << 20, config.distance_max);
  check_sizes(config, keys.source());
  return config;
}

R1Config read_r1(const ConfigKeys& keys) {
  R1Config config;
  config.max_position_embeddings = std::int64_t{1} << 20;
  read_shared(keys, config);
  config.num_hidden_layers = keys.integer("num_hidden_layers", 0, kMostLayers);
  config.block_size = keys.integer("block_size", 1, kMostCount, config.block_size);
  config.look_back = keys.integer("look_back", 0, kMostCount, config.look_back);
  config.sinks = keys.integer("sinks", 0, kMostCount, config.sinks);
  check_sizes(config, keys.source());
  return config;
}

void put_v3(Json& json, const V3Config& config) {
  put_shared(json, config, "v3", "V3");
  put(json, "stages", config.stages);
  put(json, "layers_per_stage", config.layers_per_stage);
  put(json, "share", config.share == V3Config::Share::all ? "all" : "all_but_router");
  put(json, "distance_buckets", config.distance_buckets);
  put(json, "distance_max", config.distance_max);
}

void put_r1(Json& json, const R1Config& config) {
  put_shared(json, config, "r1", "R1");
  put(json, "block_size", config.block_size);
  put(json, "look_back", config.look_back);
  put(json, "sinks", config.sinks);
}

}  // namespace dsd
