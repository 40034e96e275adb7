#include "core/model/preset_config.h"

#include "core/base/error.h"
#include "core/formats/hf_config_experts.h"

namespace dsd {
namespace {

template <class Config>
void set_shared(const DecoderPreset& preset, const std::string& source, Config& config) {
  if (!preset.head_width && preset.hidden % preset.heads != 0)
    fail_as(ExitCode::bad_input, "{}: 'hidden' {} is no multiple of 'heads' {}, and there is no 'head_width'", source,
            preset.hidden, preset.heads);
  config.vocab_size = preset.vocab_size;
  config.hidden_size = preset.hidden;
  config.num_attention_heads = preset.heads;
  config.num_key_value_heads = preset.key_heads.value_or(preset.heads);
  config.head_dim = preset.head_width.value_or(preset.hidden / preset.heads);
  config.intermediate_size = preset.intermediate;
  config.max_position_embeddings = preset.positions;
  config.rope_theta = preset.rope_theta;
  config.rms_norm_eps = preset.norm_epsilon;
  config.initializer_range = preset.initial_deviation;
  config.tie_word_embeddings = preset.tied;
}

void set_experts(const ExpertPreset& preset, const std::string& source, ExpertDecoderConfig& config) {
  set_shared(preset, source, config);
  config.num_experts = preset.experts;
  config.num_experts_per_tok = preset.experts_per_token;
  config.router_aux_loss_coef = preset.balance;
}

FamilyConfig family_of(const V3Preset& preset, const std::string& source) {
  V3Config config;
  set_experts(preset, source, config);
  config.stages = preset.stages;
  config.layers_per_stage = preset.layers_per_stage;
  config.num_hidden_layers = preset.stages * preset.layers_per_stage;
  config.share = preset.share == PresetShare::all ? V3Config::Share::all : V3Config::Share::all_but_router;
  config.distance_buckets = preset.distance_buckets;
  config.distance_max = preset.distance_max;
  check_sizes(config, source);
  return config;
}

FamilyConfig family_of(const R1Preset& preset, const std::string& source) {
  R1Config config;
  set_experts(preset, source, config);
  config.num_hidden_layers = preset.layers;
  config.block_size = preset.block;
  config.look_back = preset.look_back;
  config.sinks = preset.sinks;
  check_sizes(config, source);
  return config;
}

FamilyConfig family_of(const LlamaPreset& preset, const std::string& source) {
  LlamaConfig config;
  set_shared(preset, source, config);
  config.num_hidden_layers = preset.layers;
  if (config.num_attention_heads % config.num_key_value_heads != 0 || config.head_dim % 2 != 0)
    fail_as(ExitCode::bad_input, "{}: {} heads share {} of keys, each {} wide: expected a multiple, and an even width",
            source, config.num_attention_heads, config.num_key_value_heads, config.head_dim);
  return config;
}

}  // namespace

ModelConfig config_of(const Preset& preset, const std::string& source) {
  return {.family = std::visit([&](const auto& model) { return family_of(model, source); }, preset.model),
          .head = {},
          .json = {}};
}

}  // namespace dsd
