#include "core/formats/gguf_model.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include "core/base/error.h"
#include "core/formats/gguf_rope.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

constexpr std::int64_t kMostCount = std::int64_t{1} << 24;
constexpr std::int64_t kMostLayers = 10'000;
constexpr std::string_view kLayer = "blk.";

struct Names {
  std::string_view gguf, hugging_face;
};

constexpr Names kWholeModel[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};

constexpr Names kInLayer[] = {
    {"attn_norm", "input_layernorm"}, {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},           {"ffn_down", "mlp.down_proj"},
};

// Keys of an architecture that would change the numbers, and are not built.
constexpr std::string_view kRefused[] = {
    "expert_count",        "expert_used_count",        "attention.sliding_window", "attention.scale",
    "attention.clamp_kqv", "attention.max_alibi_bias", "rope.scale_linear",        "logit_scale",
    "residual_scale",      "embedding_scale",          "attn_logit_softcapping",   "final_logit_softcapping"};

std::string_view architecture_of(const GgufFile& file) {
  const std::string_view name = GgufKeys(file).text("general.architecture");
  if (name != "llama" && name != "qwen2")
    fail("{}: 'general.architecture' is '{}'; supported: llama, qwen2", file.source(), brief(std::string(name)));
  return name;
}

// The architecture's own keys.
class Settings {
 public:
  explicit Settings(const GgufFile& file) : keys_(file), architecture_(architecture_of(file)) {}

  const std::string& architecture() const { return architecture_; }
  std::string key(std::string_view name) const { return fmt::format("{}.{}", architecture_, name); }
  bool has(std::string_view name) const { return keys_.has(key(name)); }
  std::int64_t count(std::string_view name, std::optional<std::int64_t> fallback = std::nullopt) const {
    return keys_.integer(key(name), 1, kMostCount, fallback);
  }
  double number(std::string_view name, std::optional<double> fallback = std::nullopt) const {
    return keys_.number(key(name), fallback);
  }
  std::int64_t layers() const { return keys_.integer(key("block_count"), 0, kMostLayers); }
  std::int64_t heads() const { return count("attention.head_count"); }
  std::int64_t key_heads() const { return count("attention.head_count_kv", heads()); }
  const GgufKeys& keys() const { return keys_; }
  const std::string& source() const { return keys_.source(); }

 private:
  GgufKeys keys_;
  std::string architecture_;
};

// "blk.12.attn_q.weight" in its parts.
struct TensorName {
  std::string_view layer, stem, suffix;  // layer: "12", or empty
};

std::optional<TensorName> split_name(std::string_view name) {
  TensorName parts;
  if (name.starts_with(kLayer)) {
    name.remove_prefix(kLayer.size());
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    parts.layer = name.substr(0, dot);
    name.remove_prefix(dot + 1);
    if (parts.layer.empty()) return std::nullopt;
  }
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  parts.stem = name.substr(0, dot);
  parts.suffix = name.substr(dot + 1);
  return parts;
}

// Below `layers`, without leading zeros: no two names mean the same layer.
bool is_layer(std::string_view text, std::int64_t layers) {
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0 && number < layers &&
         (text.size() == 1 || text.front() != '0');
}

std::optional<std::string> hugging_face_name(std::string_view name, std::int64_t layers) {
  const std::optional<TensorName> parts = split_name(name);
  if (!parts || (parts->suffix != "weight" && parts->suffix != "bias")) return std::nullopt;
  const auto find = [&](std::span<const Names> names) -> std::string_view {
    const auto found = std::ranges::find(names, parts->stem, &Names::gguf);
    return found == names.end() ? std::string_view() : found->hugging_face;
  };
  const std::string_view stem = parts->layer.empty() ? find(kWholeModel) : find(kInLayer);
  if (stem.empty() || (!parts->layer.empty() && !is_layer(parts->layer, layers))) return std::nullopt;
  if (parts->layer.empty()) return fmt::format("{}.{}", stem, parts->suffix);
  return fmt::format("model.layers.{}.{}.{}", parts->layer, stem, parts->suffix);
}

// llama.cpp interleaves the rows of queries and keys of `llama` alone.
std::int64_t interleaved_rows(const TensorInfo& tensor, const Settings& settings) {
  if (settings.architecture() != "llama") return 0;
  const bool queries = tensor.name.find(".attn_q.") != std::string::npos;
  if (!queries && tensor.name.find(".attn_k.") == std::string::npos) return 0;
  const std::int64_t heads = queries ? settings.heads() : settings.key_heads();
  if (tensor.shape.empty() || tensor.rows() % (2 * heads) != 0)
    fail("{}: tensor '{}' of shape {} cannot be {} heads", settings.source(), tensor.name, shape_text(tensor.shape),
         heads);
  return tensor.rows() / heads;
}

void refuse_unsupported(const Settings& settings) {
  for (const std::string_view name : kRefused) {
    const GgufKeys& keys = settings.keys();
    if (!settings.has(name) || keys.number(settings.key(name)) == 0) continue;
    fail("{}: '{}' is {}; such models are not supported", keys.source(), settings.key(name),
         keys.number(settings.key(name)));
  }
}

// The width of a head. Keys, values and the rotation must all have it.
std::int64_t head_width(const Settings& settings) {
  const std::int64_t heads = settings.heads(), hidden = settings.count("embedding_length");
  std::int64_t width = hidden / heads;
  if (settings.has("attention.key_length")) width = settings.count("attention.key_length");
  else if (hidden % heads != 0)
    fail("{}: '{}' {} is no multiple of '{}' {}", settings.source(), settings.key("embedding_length"), hidden,
         settings.key("attention.head_count"), heads);
  for (const char* name : {"attention.value_length", "rope.dimension_count"})
    if (settings.count(name, width) != width)
      fail("{}: '{}' is {}, but heads are {} wide; that is not supported", settings.source(), settings.key(name),
           settings.count(name), width);
  return width;
}

// The decimal that a person would have written for a number that the file holds in fp32.
double shortest(double value) {
  const auto narrow = static_cast<float>(value);
  if (static_cast<double>(narrow) != value) return value;
  std::array<char, 64> text;
  const auto written = std::to_chars(text.data(), text.data() + text.size(), narrow);
  double result = value;
  std::from_chars(text.data(), written.ptr, result);
  return result;
}

std::int64_t vocabulary_size(const GgufFile& file, const Settings& settings) {
  if (settings.has("vocab_size")) return settings.count("vocab_size");
  const GgufValue* tokens = file.value("tokenizer.ggml.tokens");
  if (tokens != nullptr && tokens->type == GgufType::array) return static_cast<std::int64_t>(tokens->count);
  return settings.count("vocab_size");  // an Error that names the key
}

Json token_id(const GgufKeys& keys, const char* name) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
  if (!keys.has(key)) return nullptr;
  return keys.integer(key, 0, kMostCount);
}

}  // namespace

std::vector<TensorInfo> hugging_face_tensors(const GgufFile& file) {
  const Settings settings(file);
  refuse_unsupported(settings);
  const std::int64_t layers = settings.layers();
  std::vector<TensorInfo> tensors;
  for (const TensorInfo& tensor : file.tensors()) {
    if (tensor.name == kRopeFactors) continue;  // part of the config
    std::optional<std::string> name = hugging_face_name(tensor.name, layers);
    if (!name)
      fail("{}: tensor '{}' is none of a {} model of {} layers; such models are not supported", file.source(),
           brief(tensor.name), settings.architecture(), layers);
    TensorInfo named = tensor;
    named.interleaved_rows = interleaved_rows(tensor, settings);
    named.name = std::move(*name);
    tensors.push_back(std::move(named));
  }
  return tensors;
}

std::string hugging_face_config(const GgufFile& file) {
  const Settings settings(file);
  refuse_unsupported(settings);
  const bool llama = settings.architecture() == "llama";
  const std::int64_t width = head_width(settings);
  const double theta = shortest(settings.number("rope.freq_base", 10'000));
  Json config = {
      {"architectures", {llama ? "LlamaForCausalLM" : "Qwen2ForCausalLM"}},
      {"model_type", settings.architecture()},
      {"vocab_size", vocabulary_size(file, settings)},
      {"hidden_size", settings.count("embedding_length")},
      {"intermediate_size", settings.count("feed_forward_length")},
      {"num_hidden_layers", settings.layers()},
      {"num_attention_heads", settings.heads()},
      {"num_key_value_heads", settings.key_heads()},
      {"head_dim", width},
      {"hidden_act", "silu"},
      {"max_position_embeddings", settings.count("context_length")},
      {"rms_norm_eps", shortest(settings.number("attention.layer_norm_rms_epsilon"))},
      {"rope_theta", theta},
      {"rope_scaling", rope_scaling(file, settings.architecture(), theta, width)},
      {"attention_dropout", 0.0},
      {"initializer_range", 0.02},
      {"tie_word_embeddings", file.find("output.weight") == nullptr},
      {"bos_token_id", token_id(settings.keys(), "bos")},
      {"eos_token_id", token_id(settings.keys(), "eos")},
      {"pad_token_id", token_id(settings.keys(), "padding")},
      {"torch_dtype", "float32"},
  };
  if (llama) {
    config["attention_bias"] = file.find("blk.0.attn_q.bias") != nullptr;
    config["mlp_bias"] = file.find("blk.0.ffn_up.bias") != nullptr;
  } else {
    config["use_sliding_window"] = false;
  }
  return write_json(config);
}

}  // namespace dsd
