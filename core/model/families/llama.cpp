#include "core/model/families/llama.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/base/error.h"
#include "core/model/blocks/cache.h"

namespace dsd {
namespace {

std::string class_stem(const LlamaConfig& config) {
  return config.type == "qwen2" ? "Qwen2" : config.type == "mistral" ? "Mistral" : "Llama";
}

float scaled_frequency(float frequency, const RopeScaling& scaling) {
  if (scaling.kind == RopeScaling::Kind::none) return frequency;
  const auto factor = static_cast<float>(scaling.factor);
  if (scaling.kind == RopeScaling::Kind::linear) return frequency / factor;
  const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
  const auto original = static_cast<float>(scaling.original_positions);
  const auto low = static_cast<float>(scaling.low_frequency_factor);
  const auto high = static_cast<float>(scaling.high_frequency_factor);
  if (wavelength > original / low) return frequency / factor;
  if (wavelength < original / high) return frequency;
  const float smooth = (original / wavelength - low) / (high - low);
  return (1 - smooth) * frequency / factor + smooth * frequency;
}

}  // namespace

RotaryTable make_rotary(std::int64_t count, std::int64_t head_width, double theta, const RopeScaling& scaling) {
  const std::int64_t half = head_width / 2;
  const Tensor frequencies = at::empty({half}, at::kFloat);
  for (std::int64_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_width);
    frequencies.mutable_data_ptr<float>()[i] =
        scaled_frequency(1.0f / std::pow(static_cast<float>(theta), exponent), scaling);
  }
  const Tensor angles = at::outer(at::arange(count, at::kFloat), frequencies);
  return {at::cos(angles), at::sin(angles)};
}

Llama::Llama(ModelConfig config, const ModelOptions& options)
    : config_(with_head(config, class_stem(std::get<LlamaConfig>(config.family)), options.head, options.outputs)),
      llama_(std::get<LlamaConfig>(config_.family)),
      head_(options.head),
      outputs_(options.outputs),
      device_(options.device),
      table_(llama_weight_table(llama_, head_, outputs_, weights_)),
      parameters_(parameters_of(table_)) {
  check_decoder_head(options, llama_.type);
  allocate_weights(table_, options);
}

RotaryTable Llama::rotary(std::int64_t positions) {
  if (!rotary_.cosine.defined() || rotary_.cosine.size(0) < positions)
    rotary_ = make_rotary(static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(positions))),
                          llama_.head_dim, llama_.rope_theta, llama_.rope_scaling);
  return rotary_;
}

KvCache Llama::make_cache(std::int64_t sequences, std::int64_t capacity) const {
  return dsd::make_cache(sequences, capacity, llama_.num_hidden_layers, llama_.num_key_value_heads * llama_.head_dim,
                         weights_.words.master.options().requires_grad(false));
}

Outputs Llama::forward(const Batch& batch, const Wanted& wanted, const Pass& pass) {
  const TableSizes sizes{llama_.vocab_size, llama_.max_position_embeddings, 2};
  DecoderRun run = begin_run(batch, wanted, pass, sizes, llama_.num_hidden_layers, head_ != HeadKind::none, device_);
  run.rows.rotary = rotary(last_position(run, llama_.max_position_embeddings) + 1);
  run_layers(run);
  if (pass.cache != nullptr) count_rows(*pass.cache, run.rows.offsets);
  if (run.head_rows.defined()) run.outputs.heads.push_back(scores_of(run, head()));
  return std::move(run.outputs);
}

void Llama::run_layers(DecoderRun& run) {
  run.enter(weights_.words);
  const DecoderShape shape{.heads = llama_.num_attention_heads,
                           .key_heads = llama_.num_key_value_heads,
                           .head_width = llama_.head_dim,
                           .epsilon = llama_.rms_norm_eps,
                           .reach = {.window = llama_.sliding_window}};
  for (std::int64_t index = 0; index < run.depth; ++index) {
    const LlamaLayer& layer = weights_.layers[static_cast<std::size_t>(index)];
    const bool wants_qkv = run.wants_qkv(index), prune = run.prunes(index);
    run.rows.layer = static_cast<int>(index);
    auto [hidden, qkv] = decoder_attention_block(run.hidden, run.rows, layer.attention, shape, prune, wants_qkv);
    if (wants_qkv) run.capture_qkv(index, qkv, shape.heads * shape.head_width, shape.key_heads * shape.head_width);
    run.reduced = prune;
    run.hidden = gated_mlp_block(hidden, layer.mlp, llama_.rms_norm_eps);
    run.capture(Site::Kind::hidden, index + 1, run.hidden);
  }
}

DecoderHead Llama::head() const {
  const bool tied = head_ == HeadKind::next_token && llama_.tie_word_embeddings;
  return {.kind = head_,
          .outputs = outputs_,
          .vocabulary = llama_.vocab_size,
          .gain = &weights_.gain,
          .weight = tied ? &weights_.words : &weights_.head,
          .epsilon = llama_.rms_norm_eps};
}

Tensor Llama::embed(const Batch& batch, int stream) {
  const TableSizes sizes{llama_.vocab_size, llama_.max_position_embeddings, 2};
  return look_up(weights_.words, pack(batch, stream, sizes, device_).text.ids);
}

}  // namespace dsd
