#pragma once
// A preset: the sizes of a model without weights, from recipes/teachers/, recipes/students/ or a file of one's own.
// `student.preset` starts from one at random weights; `dsdistill inspect` tells what it holds.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/config/fields.h"

namespace dsd {

// What every decoder has.
struct DecoderPreset {
  std::int64_t vocab_size = 32000;
  std::int64_t hidden = 512;
  std::int64_t heads = 8;
  std::optional<std::int64_t> key_heads, head_width;
  std::int64_t intermediate = 1024;
  std::int64_t positions = 4096;
  double rope_theta = 10000;
  double norm_epsilon = 1e-6;
  double initial_deviation = 0.02;
  bool tied = true;
  static void shared_fields(auto& self, auto& v) {
    v("vocab_size", self.vocab_size, "rows of the embeddings; a tokenizer's own number takes its place in training",
      Range{.min = 1, .max = 1 << 24});
    v("hidden", self.hidden, "hidden width", Range{.min = 1, .max = 1 << 24});
    v("heads", self.heads, "attention heads", Range{.min = 1, .max = 65536});
    v("key_heads", self.key_heads, "heads of keys and values; null: as many as heads", Range{.min = 1, .max = 65536});
    v("head_width", self.head_width, "width of a head; null: hidden / heads", Range{.min = 2, .max = 65536});
    v("intermediate", self.intermediate, "width inside the MLP, or inside one expert", Range{.min = 1, .max = 1 << 24});
    v("positions", self.positions, "tokens of the longest text", Range{.min = 1, .max = 2147483647});
    v("rope_theta", self.rope_theta, "base of the rotary frequencies", positive);
    v("norm_epsilon", self.norm_epsilon, "of the norms", Range{.min = 0, .max = 0.5});
    v("initial_deviation", self.initial_deviation, "of random weights", Range{.min = 0, .max = 100});
    v("tied", self.tied, "the head's weight is the word embedding");
  }
};

struct ExpertPreset : DecoderPreset {
  std::int64_t experts = 8;
  std::int64_t experts_per_token = 2;
  double balance = 0.01;
  static void expert_fields(auto& self, auto& v) {
    shared_fields(self, v);
    v("experts", self.experts, "experts of a layer", Range{.min = 1, .max = 65536});
    v("experts_per_token", self.experts_per_token, "of these, chosen for a token", Range{.min = 1, .max = 65536});
    v("balance", self.balance, "weight of the loss that balances the experts in training", Range{.min = 0});
  }
};

enum class PresetShare { all, all_but_router };
template <>
struct EnumNames<PresetShare> {
  static constexpr std::array<std::pair<std::string_view, PresetShare>, 2> names{
      {{"all", PresetShare::all}, {"all_but_router", PresetShare::all_but_router}}};
};

struct V3Preset : ExpertPreset {
  static constexpr std::string_view kind = "v3";
  std::int64_t stages = 4, layers_per_stage = 2;
  PresetShare share = PresetShare::all;
  std::int64_t distance_buckets = 32, distance_max = 128;
  static void fields(auto& self, auto& v) {
    v("stages", self.stages, "sets of parameters", Range{.min = 1, .max = 10000});
    v("layers_per_stage", self.layers_per_stage, "times that each is applied", Range{.min = 1, .max = 10000});
    v("share", self.share, "all_but_router: each layer has a router and norms of its own");
    v("distance_buckets", self.distance_buckets, "of the bias by relative distance", Range{.min = 2, .max = 65536});
    v("distance_max", self.distance_max, "from which distances share the last bucket", Range{.min = 1, .max = 1 << 20});
    expert_fields(self, v);
  }
};

struct R1Preset : ExpertPreset {
  static constexpr std::string_view kind = "r1";
  R1Preset() { positions = 1 << 20; }
  std::int64_t layers = 8;
  std::int64_t block = 64, look_back = 1, sinks = 4;
  static void fields(auto& self, auto& v) {
    v("layers", self.layers, "number of layers", Range{.min = 1, .max = 10000});
    v("block", self.block, "tokens of a block of attention", Range{.min = 1, .max = 1 << 24});
    v("look_back", self.look_back, "whole blocks before its own that a token sees", Range{.min = 0, .max = 1 << 24});
    v("sinks", self.sinks, "first tokens of a text that stay visible", Range{.min = 0, .max = 1 << 24});
    expert_fields(self, v);
  }
};

struct LlamaPreset : DecoderPreset {
  static constexpr std::string_view kind = "llama";
  std::int64_t layers = 8;
  static void fields(auto& self, auto& v) {
    v("layers", self.layers, "number of layers", Range{.min = 1, .max = 10000});
    shared_fields(self, v);
  }
};

using PresetModel = std::variant<V3Preset, R1Preset, LlamaPreset>;

struct Preset {
  PresetModel model;
  std::optional<double> article_size;
  static void fields(auto& self, auto& v) {
    v("model", self.model, "the family and its sizes", required);
    v("article_size", self.article_size, "parameters that the article names for it", positive);
  }
};

// The file that `name` means: a path, or one of recipes/teachers/ or recipes/students/ by its name. Error(bad_input)
// naming the nearest.
std::filesystem::path find_preset(std::string_view name);

Preset load_preset(const std::filesystem::path& path, std::span<const std::string> overrides = {});

}  // namespace dsd
