#include "core/compress/walk.h"

#include <ATen/ATen.h>

#include <map>

#include "core/base/error.h"
#include "core/model/blocks/decoder.h"
#include "core/model/families/expert_decoder.h"
#include "core/model/families/llama.h"
#include "core/model/model_shape.h"
#include "core/model/packed_text.h"
#include "kernels/attention.h"
#include "kernels/bias_activation.h"
#include "kernels/decoder_attention.h"

namespace dsd {
namespace {

using Kind = Site::Kind;

Tensor on_host(const Tensor& t) { return t.detach().to(at::kCPU, at::kFloat); }

// A model's weights by name, and what a forward of it captured.
class Walk {
 public:
  Walk(Model& model, const Batch& batch, Watcher& watcher)
      : family(model.config().family), shape(shape_of(family)), watch(watcher), text(batch.streams.at(0)) {
    for (const WeightEntry& entry : model.weights()) weights_[entry.name()] = entry.weight;
    Wanted wanted{.heads = false, .sites = {}, .routing = experts_of(family) != nullptr};
    const auto want = [&](Kind kind, std::int64_t count) {
      for (int i = 0; i < count; ++i) wanted.sites.push_back({.kind = kind, .layer = i});
    };
    want(Kind::hidden, shape.layers + 1);
    for (const Kind kind : {Kind::query, Kind::key, Kind::value}) want(kind, shape.layers);
    outputs = model.forward(batch, wanted, Pass{});
  }

  // Undefined where the model has no such weight (a bias).
  Tensor weight(const std::string& name) const {
    const auto found = weights_.find(name);
    return found == weights_.end() ? Tensor() : on_host(found->second->master);
  }
  Tensor site(Kind kind, std::int64_t layer) const {
    return on_host(outputs.at({.kind = kind, .layer = static_cast<int>(layer)}));
  }
  Tensor hidden(std::int64_t layer) const { return site(Kind::hidden, layer); }
  Tensor linear(const Tensor& x, const std::string& stem) const {
    return at::linear(x, weight(stem + ".weight"), weight(stem + ".bias"));
  }

  FamilyConfig family;
  ModelShape shape;
  Watcher& watch;
  const Sequences& text;
  Outputs outputs;

 private:
  std::map<std::string, const Weight*> weights_;
};

// ---- encoders

class EncoderWalk : public Walk {
 public:
  using Walk::Walk;

  void run(const BertConfig& bert) {
    epsilon_ = bert.layer_norm_eps;
    activation_ = bert.hidden_act;
    embeddings();
    for (std::int64_t i = 0; i < shape.layers; ++i) layer(i);
    masked_tokens();
  }

 private:
  Tensor norm(const std::string& stem, const Tensor& read) const {
    const Tensor made =
        at::layer_norm(read, {read.size(1)}, weight(stem + ".weight"), weight(stem + ".bias"), epsilon_);
    watch.norm(stem + ".weight", read, made);
    return made;
  }

  Tensor activated(const Tensor& x, const std::string& stem) const {
    const Tensor values = at::linear(x, weight(stem + ".weight"));
    return bias_activation(values, weight(stem + ".bias"), activation_, false, at::kFloat);
  }

  void embeddings() const {
    const auto rows = [&](const char* table, const Tensor& ids) {
      return weight(fmt::format("embeddings.{}.weight", table)).index_select(0, ids.to(at::kCPU, at::kLong));
    };
    norm("embeddings.norm",
         rows("words", text.ids) + rows("positions", text.positions) + rows("segments", text.segments));
  }

  void layer(std::int64_t i) const {
    const std::string stem = fmt::format("layer.{}.", i);
    const Tensor x = hidden(i);
    const Tensor context = attention({.queries = site(Kind::query, i),
                                      .keys = site(Kind::key, i),
                                      .values = site(Kind::value, i),
                                      .bias = {},
                                      .offsets = text.offsets,
                                      .places = {},
                                      .query_rows = {},
                                      .heads = shape.heads,
                                      .dropout = {}},
                                     nullptr, at::kFloat);
    watch.heads(i, context, weight(stem + "attention.out.weight"));
    const Tensor middle = norm(stem + "attention.norm", x + linear(context, stem + "attention.out"));
    const Tensor inner = activated(middle, stem + "mlp.up");
    watch.neurons(i, 0, inner, weight(stem + "mlp.down.weight"));
    norm(stem + "mlp.norm", middle + linear(inner, stem + "mlp.down"));
    watch.layer(i, x, hidden(i + 1));
  }

  void masked_tokens() const {
    if (weight("masked_tokens.norm.weight").defined())
      norm("masked_tokens.norm", activated(hidden(shape.layers), "masked_tokens.transform"));
  }

  double epsilon_ = 0;
  Activation activation_ = Activation::gelu;
};

// ---- decoders

// Where a layer's weights stand among a model's entries.
struct LayerStems {
  std::string attention, own, experts;
};

LayerStems stems_of(const FamilyConfig& family, std::int64_t layer) {
  const std::string own = fmt::format("layer.{}.", layer);
  const auto* v3 = std::get_if<V3Config>(&family);
  if (v3 == nullptr) return {own, own, ""};
  const std::string stage = fmt::format("stage.{}.", layer / v3->layers_per_stage);
  return {stage, v3->share == V3Config::Share::all ? stage : own, stage};
}

class DecoderWalk : public Walk {
 public:
  using Walk::Walk;

  template <class Config>
  void run(const Config& config) {
    if (text.visible.defined()) fail("parts are weighed on texts that attention sees whole");
    epsilon_ = config.rms_norm_eps;
    prepare(config);
    for (std::int64_t i = 0; i < shape.layers; ++i) layer(i);
    norm("norm.weight", hidden(shape.layers));
  }

 private:
  // Rotary positions and what attention reaches.
  void prepare(const LlamaConfig& llama) {
    const std::int64_t last = text.positions.numel() > 0 ? text.positions.max().item<std::int32_t>() : 0;
    rotary_ = make_rotary(last + 1, llama.head_dim, llama.rope_theta, llama.rope_scaling);
    rows_ = text.positions.to(at::kCPU);
    reach_ = {.window = llama.sliding_window};
  }
  void prepare(const ExpertDecoderConfig& config) {
    rotary_ = rotary_of(text.positions.to(at::kCPU), config.head_dim, config.rope_theta, at::kFloat, &rows_);
    if (const auto* r1 = std::get_if<R1Config>(&family))
      reach_ = {.block = r1->block_size, .look_back = r1->look_back, .sinks = r1->sinks};
    if (const auto* v3 = std::get_if<V3Config>(&family))
      buckets_ = distance_buckets(v3->distance_buckets, v3->distance_max);
  }

  Tensor norm(const std::string& gain, const Tensor& read) const {
    const Tensor made = plain::scale_norm_block(read, Weight{.master = weight(gain)}, epsilon_);
    watch.norm(gain, read, made);
    return made;
  }

  Tensor context_of(std::int64_t i, const Tensor& distance_bias) const {
    const Tensor queries = site(Kind::query, i).contiguous().clone(), keys = site(Kind::key, i).contiguous().clone();
    rotate(queries, shape.heads, rows_, rotary_, false);
    rotate(keys, shape.key_heads, rows_, rotary_, false);
    const Tensor begins = text.offsets.slice(0, 0, -1).contiguous();
    const Tensor bias = distance_bias.defined() ? distance_bias.index_select(1, buckets_).contiguous() : Tensor();
    return attend({.queries = queries,
                   .keys = keys,
                   .values = site(Kind::value, i).contiguous(),
                   .query_offsets = text.offsets,
                   .key_begins = begins,
                   .key_counts = (text.offsets.slice(0, 1) - begins).contiguous(),
                   .key_gaps = {},
                   .heads = shape.heads,
                   .key_heads = shape.key_heads,
                   .reach = reach_,
                   .distance_bias = bias,
                   .key_bias = {}},
                  nullptr, at::kFloat);
  }

  void layer(std::int64_t i) const {
    const LayerStems stems = stems_of(family, i);
    const StoredSets sets = sets_of_layer(family, i);
    const Tensor x = hidden(i);
    norm(stems.own + "attention.norm.weight", x);
    const Tensor context = context_of(i, weight(stems.attention + "attention.distance_bias"));
    watch.heads(sets.attention, context, weight(stems.attention + "attention.out.weight"));
    const Tensor middle = x + linear(context, stems.attention + "attention.out");
    if (experts_of(family) != nullptr) experts(i, sets.mlp, stems, middle);
    else mlp(i, stems.own, middle);
    watch.layer(i, x, hidden(i + 1));
  }

  void mlp(std::int64_t i, const std::string& stem, const Tensor& middle) const {
    const Tensor both = linear(norm(stem + "mlp.norm.weight", middle), stem + "mlp.gate_up");
    watch.neurons(i, 0, gated(both.contiguous(), at::kFloat), weight(stem + "mlp.down.weight"));
  }

  void experts(std::int64_t i, std::int64_t set, const LayerStems& stems, const Tensor& middle) const {
    const Tensor normal = norm(stems.own + "experts.norm.weight", middle);
    const Routing& routing = outputs.routing.at(static_cast<std::size_t>(i));
    const Tensor probabilities = on_host(routing.probabilities), chosen = routing.chosen.to(at::kCPU, at::kLong);
    watch.routing(set, probabilities, chosen);
    Tensor share = probabilities.gather(1, chosen);
    if (chosen.size(1) > 1) share = share / share.sum(1, true);
    const std::int64_t count = probabilities.size(1);
    const auto apart = [&](const char* name) {
      const Tensor stacked = weight(stems.experts + name);
      return stacked.view({count, stacked.size(0) / count, stacked.size(1)});
    };
    const Tensor gate_up = apart("experts.gate_up.weight"), down = apart("experts.down.weight");
    for (std::int64_t expert = 0; expert < count; ++expert) {
      const Tensor found = (chosen == expert).nonzero(), rows = found.select(1, 0);
      const Tensor both = at::linear(normal.index_select(0, rows), gate_up[expert]);
      const Tensor of_row = share.masked_select(chosen == expert).unsqueeze(1);
      watch.neurons(set, expert, gated(both, at::kFloat) * of_row, down[expert]);
    }
  }

  double epsilon_ = 0;
  RotaryTable rotary_;
  Tensor rows_;  // of the rotary table, [T]
  AttentionReach reach_;
  Tensor buckets_;
};

void walk_family(const BertConfig& config, Model& model, const Batch& batch, Watcher& watcher) {
  EncoderWalk(model, batch, watcher).run(config);
}

template <class Decoder>
void walk_family(const Decoder& config, Model& model, const Batch& batch, Watcher& watcher) {
  DecoderWalk(model, batch, watcher).run(config);
}

}  // namespace

void walk(Model& model, const Batch& batch, Watcher& watcher) {
  const at::NoGradGuard no_grad;
  std::visit([&](const auto& family) { walk_family(family, model, batch, watcher); }, model.config().family);
}

StoredSets stored_sets(const FamilyConfig& family) {
  if (const auto* v3 = std::get_if<V3Config>(&family)) return {v3->stages, v3->stages};
  const std::int64_t layers = layer_count(family);
  return {layers, std::holds_alternative<R1Config>(family) ? 1 : layers};
}

StoredSets sets_of_layer(const FamilyConfig& family, std::int64_t layer) {
  if (const auto* v3 = std::get_if<V3Config>(&family))
    return {layer / v3->layers_per_stage, layer / v3->layers_per_stage};
  return {layer, std::holds_alternative<R1Config>(family) ? 0 : layer};
}

}  // namespace dsd
