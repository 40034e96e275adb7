#include "core/model/families/llama.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/base/error.h"
#include "core/model/packed_text.h"

namespace dsd {
namespace {

using Kind = Site::Kind;

bool reads_qkv(Kind kind) { return kind == Kind::query || kind == Kind::key || kind == Kind::value; }
bool has_classifier(HeadKind head) { return head == HeadKind::classes || head == HeadKind::values; }

// The config as a checkpoint of this head states it.
ModelConfig with_head(ModelConfig config, HeadKind kind, std::int64_t outputs) {
  const auto& llama = std::get<LlamaConfig>(config.family);
  const std::string family = llama.type == "qwen2" ? "Qwen2" : llama.type == "mistral" ? "Mistral" : "Llama";
  HeadInfo& head = config.head;
  if (!has_classifier(kind)) {
    head = {};
    head.architectures = {family + (kind == HeadKind::none ? "Model" : "ForCausalLM")};
    return config;
  }
  if (static_cast<std::int64_t>(head.labels.size()) != outputs) {
    head.labels.clear();
    for (std::int64_t i = 0; i < outputs; ++i) head.labels.push_back(fmt::format("LABEL_{}", i));
  }
  const bool several = head.problem_type == ProblemType::multi_label_classification;
  if (kind == HeadKind::values) head.problem_type = ProblemType::regression;
  else if (!several) head.problem_type = ProblemType::single_label_classification;
  head.architectures = {family + "ForSequenceClassification"};
  return config;
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

struct Llama::Run {
  const Wanted& wanted;
  const Pass& pass;
  PackedText packed;
  DecoderRows rows;
  Tensor head_rows;         // [N] int32
  bool last_alone = false;  // the head reads each sequence's last row and no other
  Tensor hidden;            // [T, H]; [S, H] once `reduced`
  bool reduced = false;
  std::int64_t depth = 0;
  Outputs outputs;

  bool wants(Kind kind, std::int64_t layer) const {
    return wanted.contains({.kind = kind, .layer = static_cast<int>(layer), .stream = pass.stream});
  }
  void capture(Kind kind, std::int64_t layer, const Tensor& value) {
    if (wants(kind, layer))
      outputs.captured.emplace_back(Site{.kind = kind, .layer = static_cast<int>(layer), .stream = pass.stream}, value);
  }
  bool wants_qkv(std::int64_t layer) const {
    return wants(Kind::query, layer) || wants(Kind::key, layer) || wants(Kind::value, layer);
  }
};

Llama::Llama(ModelConfig config, const ModelOptions& options)
    : config_(with_head(std::move(config), options.head, options.outputs)),
      llama_(std::get<LlamaConfig>(config_.family)),
      head_(options.head),
      outputs_(options.outputs),
      device_(options.device),
      table_(llama_weight_table(llama_, head_, outputs_, weights_)),
      parameters_(parameters_of(table_)) {
  if (head_ == HeadKind::masked_tokens) fail("{} is a decoder; it tells next tokens, not masked ones", llama_.type);
  if (has_classifier(head_) && outputs_ < 1) fail("a head needs at least one output, not {}", outputs_);
  allocate_weights(table_, options);
}

void Llama::check(const Wanted& wanted, const Pass& pass) const {
  for (const Site& site : wanted.sites) {
    if (site.stream != pass.stream) continue;
    if (site.kind == Kind::pooled) fail("{}: a decoder has no pooler", name_of(site));
    const std::int64_t last =
        site.kind == Kind::embedding ? 0 : llama_.num_hidden_layers - (reads_qkv(site.kind) ? 1 : 0);
    if (site.layer < 0 || site.layer > last)
      fail("{} is not in this model, which has {} layers; the last one there is {}", name_of(site),
           llama_.num_hidden_layers, last);
  }
}

RotaryTable Llama::rotary(std::int64_t positions) {
  if (!rotary_.cosine.defined() || rotary_.cosine.size(0) < positions)
    rotary_ = make_rotary(static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(positions))),
                          llama_.head_dim, llama_.rope_theta, llama_.rope_scaling);
  return rotary_;
}

KvCache Llama::make_cache(std::int64_t sequences, std::int64_t capacity) const {
  KvCache cache{.capacity = capacity};
  cache.counts.assign(static_cast<std::size_t>(sequences), 0);
  const std::int64_t width = llama_.num_key_value_heads * llama_.head_dim;
  const auto options = weights_.words.master.options().requires_grad(false);
  for (std::int64_t layer = 0; layer < llama_.num_hidden_layers; ++layer)
    cache.layers.push_back(
        {at::empty({sequences * capacity, width}, options), at::empty({sequences * capacity, width}, options)});
  return cache;
}

Outputs Llama::forward(const Batch& batch, const Wanted& wanted, const Pass& pass) {
  check(wanted, pass);
  const TableSizes sizes{llama_.vocab_size, llama_.max_position_embeddings, 2};
  Run run{.wanted = wanted, .pass = pass, .packed = pack(batch, pass.stream, sizes, device_)};
  const PackedRows& rows = run.packed.rows;
  run.rows = {.offsets = rows.offsets, .positions = rows.positions, .key_bias = {}, .rotary = {}, .cache = pass.cache};
  if (pass.cache != nullptr) run.rows.positions = positions_after(*pass.cache, rows);
  const std::int64_t most = run.rows.positions.numel() > 0 ? run.rows.positions.max().item<std::int32_t>() : 0;
  if (most >= llama_.max_position_embeddings)
    fail("the model has positions for {} tokens, and the text needs {}", llama_.max_position_embeddings, most + 1);
  run.rows.rotary = rotary(most + 1);
  const bool has_head = wanted.heads && head_ != HeadKind::none;
  if (has_head) {
    run.head_rows = head_rows(batch, pass.stream, device_);
    const Tensor last = last_rows_of(rows.offsets);
    run.last_alone = run.head_rows.sizes() == last.sizes() && run.head_rows.to(at::kCPU).equal(last);
  }
  run.depth = has_head ? llama_.num_hidden_layers : 0;
  for (const Site& site : wanted.sites)
    if (site.stream == pass.stream)
      run.depth = std::max<std::int64_t>(run.depth, site.layer + (reads_qkv(site.kind) ? 1 : 0));
  run_layers(run);
  if (pass.cache != nullptr) count_rows(*pass.cache, rows.offsets);
  if (has_head) run.outputs.heads.push_back(head(run));
  return std::move(run.outputs);
}

void Llama::run_layers(Run& run) {
  run.hidden = run.pass.embeddings.defined() ? run.pass.embeddings : look_up(weights_.words, run.packed.text.ids);
  run.capture(Kind::embedding, 0, run.hidden);
  run.capture(Kind::hidden, 0, run.hidden);
  const DecoderShape shape{.heads = llama_.num_attention_heads,
                           .key_heads = llama_.num_key_value_heads,
                           .head_width = llama_.head_dim,
                           .epsilon = llama_.rms_norm_eps,
                           .reach = {.window = llama_.sliding_window}};
  for (std::int64_t index = 0; index < run.depth; ++index) {
    const LlamaLayer& layer = weights_.layers[static_cast<std::size_t>(index)];
    const bool wants_qkv = run.wants_qkv(index);
    // Design rule 4: nothing is computed for rows that nobody reads.
    const bool prune = index + 1 == run.depth && run.last_alone && !run.wants(Kind::hidden, index + 1) && !wants_qkv;
    run.rows.layer = static_cast<int>(index);
    auto [hidden, qkv] = decoder_attention_block(run.hidden, run.rows, layer.attention, shape, prune, wants_qkv);
    if (wants_qkv) {
      const std::int64_t width = shape.heads * shape.head_width, key_width = shape.key_heads * shape.head_width;
      run.capture(Kind::query, index, qkv.narrow(1, 0, width));
      run.capture(Kind::key, index, qkv.narrow(1, width, key_width));
      run.capture(Kind::value, index, qkv.narrow(1, width + key_width, key_width));
    }
    run.reduced = prune;
    run.hidden = gated_mlp_block(hidden, layer.mlp, llama_.rms_norm_eps);
    run.capture(Kind::hidden, index + 1, run.hidden);
  }
}

Scores Llama::head(const Run& run) {
  Tensor x = run.hidden;
  if (!run.reduced && run.head_rows.numel() != x.size(0))
    x = x.index_select(0, run.head_rows.to(x.device(), at::kLong));
  x = scale_norm_block(x, weights_.gain, llama_.rms_norm_eps);
  Scores scores;
  scores.rows = run.head_rows;
  if (has_classifier(head_)) {
    scores.classes = outputs_;
    scores.dense = at::linear(x, weights_.head.master);
    return scores;
  }
  scores.classes = llama_.vocab_size;
  scores.hidden = x;
  scores.weight = llama_.tie_word_embeddings ? &weights_.words : &weights_.head;
  return scores;
}

Tensor Llama::embed(const Batch& batch, int stream) {
  const TableSizes sizes{llama_.vocab_size, llama_.max_position_embeddings, 2};
  return look_up(weights_.words, pack(batch, stream, sizes, device_).text.ids);
}

}  // namespace dsd
