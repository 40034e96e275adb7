#pragma once
// The keys of config.json that Llama, Mistral, Qwen2 and SmolLM2 share, read and written in the spellings of
// transformers 4 and 5 alike (rope_theta and rope_scaling, or rope_parameters).

#include <optional>
#include <string>
#include <string_view>

#include "core/formats/hf_config.h"
#include "core/formats/hf_config_keys.h"

namespace dsd {

bool is_llama_type(std::string_view model_type);
std::string_view llama_types();  // for messages

// The id of a token, the first one where a list stands; none where it is -1.
std::optional<std::int64_t> read_token(const ConfigKeys& keys, const char* key);

LlamaConfig read_llama(const ConfigKeys& keys, const std::string& type);
void put_llama(Json& json, const LlamaConfig& config);

// An equal value stays as it was spelt.
template <class T>
void put(Json& json, const char* key, const T& value) {
  Json fresh = value;
  const auto found = json.find(key);
  if (found == json.end()) json[key] = std::move(fresh);
  else if (*found != fresh) *found = std::move(fresh);
}

// The sizes of any decoder.
template <class Decoder>
void put_decoder_sizes(Json& json, const Decoder& config) {
  put(json, "vocab_size", config.vocab_size);
  put(json, "hidden_size", config.hidden_size);
  put(json, "num_hidden_layers", config.num_hidden_layers);
  put(json, "num_attention_heads", config.num_attention_heads);
  put(json, "num_key_value_heads", config.num_key_value_heads);
  put(json, "head_dim", config.head_dim);
  put(json, "intermediate_size", config.intermediate_size);
}

}  // namespace dsd
