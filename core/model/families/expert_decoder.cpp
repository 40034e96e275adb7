#include "core/model/families/expert_decoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/error.h"
#include "core/model/blocks/cache.h"

namespace dsd {
namespace {

std::string class_stem(const ModelConfig& config) {
  return std::holds_alternative<V3Config>(config.family) ? "V3" : "R1";
}

DecoderShape shape_of(const ModelConfig& config) {
  const ExpertDecoderConfig& sizes = *experts_of(config.family);
  DecoderShape shape{.heads = sizes.num_attention_heads,
                     .key_heads = sizes.num_key_value_heads,
                     .head_width = sizes.head_dim,
                     .epsilon = sizes.rms_norm_eps};
  if (const auto* r1 = std::get_if<R1Config>(&config.family))
    shape.reach = {.block = r1->block_size, .look_back = r1->look_back, .sinks = r1->sinks};
  return shape;
}

}  // namespace

Tensor distance_buckets(std::int64_t buckets, std::int64_t most) {
  const std::int64_t exact = buckets / 2;
  const Tensor table = at::empty({most + 1}, at::kLong);
  auto* out = table.mutable_data_ptr<std::int64_t>();
  for (std::int64_t distance = 0; distance <= most; ++distance) {
    std::int64_t bucket = distance;
    if (distance >= exact && most > buckets) {
      const double share = std::log(static_cast<double>(distance) / static_cast<double>(exact)) /
                           std::log(static_cast<double>(most) / static_cast<double>(exact));
      bucket = exact + static_cast<std::int64_t>(share * static_cast<double>(buckets - exact));
    }
    out[distance] = std::min(bucket, buckets - 1);
  }
  return table;
}

RotaryTable rotary_of(const Tensor& positions, std::int64_t head_width, double theta, at::ScalarType dtype,
                      Tensor* rows) {
  const std::int64_t count = positions.numel(), half = head_width / 2;
  const Tensor on_host = positions.cpu();
  const std::int64_t first = count > 0 ? on_host.min().item<std::int32_t>() : 0;
  const std::int64_t last = count > 0 ? on_host.max().item<std::int32_t>() : 0;
  // One row for each position of the range, or for each token where few of a wide range are read.
  const bool by_range = last - first < count;
  *rows = by_range ? (positions - first).to(at::kInt) : at::arange(count, positions.options());
  const Tensor places =
      by_range ? at::arange(first, last + 1, at::TensorOptions(at::kDouble)) : on_host.to(at::kDouble);
  const Tensor exponents = at::arange(half, at::TensorOptions(at::kDouble)) / static_cast<double>(half);
  const Tensor angles = at::outer(places, at::pow(theta, exponents.neg()));
  return {at::cos(angles).to(dtype), at::sin(angles).to(dtype)};
}

ExpertDecoder::ExpertDecoder(ModelConfig config, const ModelOptions& options)
    : config_(with_head(config, class_stem(config), options.head, options.outputs)),
      sizes_(*experts_of(config_.family)),
      head_(options.head),
      outputs_(options.outputs),
      device_(options.device),
      dtype_(options.dtype),
      shape_(shape_of(config_)),
      table_(expert_decoder_weight_table(config_.family, head_, outputs_, weights_)),
      parameters_(parameters_of(table_)) {
  check_decoder_head(options, model_type(config_.family));
  if (const auto* v3 = std::get_if<V3Config>(&config_.family))
    distance_buckets_ = distance_buckets(v3->distance_buckets, v3->distance_max).to(device_);
  allocate_weights(table_, options);
}

KvCache ExpertDecoder::make_cache(std::int64_t sequences, std::int64_t capacity) const {
  const std::int64_t layers = sizes_.num_hidden_layers, width = sizes_.num_key_value_heads * sizes_.head_dim;
  const auto options = weights_.words.master.options().requires_grad(false);
  const auto& [window, block, look_back, sinks] = shape_.reach;
  return dsd::make_cache(sequences, capacity, layers, width, options, {block, look_back, sinks});
}

Outputs ExpertDecoder::forward(const Batch& batch, const Wanted& wanted, const Pass& pass) {
  const TableSizes sizes{sizes_.vocab_size, sizes_.max_position_embeddings, 2};
  DecoderRun run = begin_run(batch, wanted, pass, sizes, sizes_.num_hidden_layers, head_ != HeadKind::none, device_);
  last_position(run, sizes_.max_position_embeddings);
  Tensor rows;
  run.rows.rotary = rotary_of(run.rows.positions, sizes_.head_dim, sizes_.rope_theta,
                              dtype_ == at::kDouble ? at::kDouble : at::kFloat, &rows);
  run.rows.positions = rows;
  run.rows.distance_buckets = distance_buckets_;
  run_layers(run);
  if (pass.cache != nullptr) count_rows(*pass.cache, run.rows.offsets);
  if (run.head_rows.defined()) run.outputs.heads.push_back(scores_of(run, head()));
  return std::move(run.outputs);
}

// Sets are put together for each layer: a Weight is a handle, and its gradient belongs to its master.
DecoderAttentionWeights ExpertDecoder::attention_of(const LayerSets& sets) const {
  DecoderAttentionWeights weights = weights_.attention[sets.attention];
  weights.gain = weights_.own[sets.own].attention_gain;
  return weights;
}

ExpertWeights ExpertDecoder::experts_in(const LayerSets& sets) const {
  ExpertWeights weights = weights_.experts[sets.experts];
  weights.gain = weights_.own[sets.own].mlp_gain;
  weights.router = weights_.own[sets.own].router;
  return weights;
}

void ExpertDecoder::run_layers(DecoderRun& run) {
  run.enter(weights_.words);
  for (std::int64_t index = 0; index < run.depth; ++index) run_layer(run, index);
}

void ExpertDecoder::run_layer(DecoderRun& run, std::int64_t index) {
  const LayerSets sets = sets_of(config_.family, index);
  const bool wants_qkv = run.wants_qkv(index), prune = run.prunes(index);
  run.rows.layer = static_cast<int>(index);
  auto [hidden, qkv] = decoder_attention_block(run.hidden, run.rows, attention_of(sets), shape_, prune, wants_qkv);
  if (wants_qkv) run.capture_qkv(index, qkv, shape_.heads * shape_.head_width, shape_.key_heads * shape_.head_width);
  run.reduced = prune;
  const ExpertsOutput mixed =
      experts_block(hidden, experts_in(sets), {sizes_.num_experts, sizes_.num_experts_per_tok, sizes_.rms_norm_eps});
  run.hidden = mixed.hidden;
  run.capture(Site::Kind::hidden, index + 1, run.hidden);
  if (run.wanted.routing) run.outputs.routing.push_back({static_cast<int>(index), mixed.probabilities, mixed.chosen});
}

DecoderHead ExpertDecoder::head() const {
  const bool tied = head_ == HeadKind::next_token && sizes_.tie_word_embeddings;
  return {.kind = head_,
          .outputs = outputs_,
          .vocabulary = sizes_.vocab_size,
          .gain = &weights_.gain,
          .weight = tied ? &weights_.words : &weights_.head,
          .epsilon = sizes_.rms_norm_eps};
}

Tensor ExpertDecoder::embed(const Batch& batch, int stream) {
  const TableSizes sizes{sizes_.vocab_size, sizes_.max_position_embeddings, 2};
  return look_up(weights_.words, pack(batch, stream, sizes, device_).text.ids);
}

}  // namespace dsd
