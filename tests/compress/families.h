#pragma once
// A small model of each family, all of whose weights say something, in fp32 and again in float64.
#include <ATen/ATen.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/compress/importance.h"
#include "core/model/model.h"
#include "losses/scores.h"
#include "tests/model/batches.h"

namespace dsd {

struct Sample {
  std::string name;
  ModelConfig config;
  HeadKind head = HeadKind::next_token;
};

inline ExpertDecoderConfig expert_sizes() {
  return {.vocab_size = 29,
          .hidden_size = 24,
          .num_hidden_layers = 4,
          .num_attention_heads = 4,
          .num_key_value_heads = 2,
          .head_dim = 6,
          .intermediate_size = 10,
          .num_experts = 5,
          .num_experts_per_tok = 2,
          .max_position_embeddings = 64,
          .tie_word_embeddings = true};
}

inline Sample bert_sample(HeadKind head = HeadKind::classes) {
  BertConfig bert{.vocab_size = 29,
                  .hidden_size = 24,
                  .num_hidden_layers = 4,
                  .num_attention_heads = 4,
                  .intermediate_size = 10,
                  .max_position_embeddings = 64};
  return {head == HeadKind::classes ? "bert" : "bert, masked tokens", {.family = bert, .head = {}, .json = {}}, head};
}

inline Sample llama_sample(bool biased) {
  LlamaConfig llama{.type = biased ? "llama" : "mistral",
                    .vocab_size = 29,
                    .hidden_size = 24,
                    .num_hidden_layers = 4,
                    .num_attention_heads = 4,
                    .num_key_value_heads = biased ? 2 : 4,
                    .head_dim = biased ? 8 : 6,
                    .intermediate_size = 10,
                    .max_position_embeddings = 64,
                    .qkv_bias = biased,
                    .out_bias = biased,
                    .mlp_bias = biased,
                    .sliding_window = biased ? 0 : 5,
                    .tie_word_embeddings = biased};
  return {biased ? "llama, biased and tied" : "mistral", {.family = llama, .head = {}, .json = {}}};
}

inline Sample v3_sample(V3Config::Share share) {
  V3Config v3{expert_sizes()};
  v3.share = share;
  v3.stages = 2;
  v3.layers_per_stage = 2;
  v3.distance_buckets = 8;
  v3.distance_max = 16;
  return {share == V3Config::Share::all ? "v3" : "v3, own routers", {.family = v3, .head = {}, .json = {}}};
}

inline Sample r1_sample() {
  R1Config r1{expert_sizes()};
  r1.block_size = 4;
  r1.sinks = 2;
  r1.tie_word_embeddings = false;
  return {"r1", {.family = r1, .head = {}, .json = {}}};
}

inline std::vector<Sample> samples() {
  return {bert_sample(),       bert_sample(HeadKind::masked_tokens), llama_sample(true),
          llama_sample(false), v3_sample(V3Config::Share::all),      v3_sample(V3Config::Share::all_but_router),
          r1_sample()};
}

inline ModelOptions options_of(const Sample& sample, at::ScalarType dtype) {
  return {.head = sample.head, .outputs = 3, .dtype = dtype, .trainable = false};
}

// One entry of a model's weights to write to; undefined where there is none.
inline Tensor weight_in(Model& model, const std::string& name) {
  for (const WeightEntry& entry : model.weights())
    if (entry.name() == name) return entry.weight->master;
  return {};
}

// The same numbers in every dtype: gains about 1, the rest about 0.
inline std::unique_ptr<Model> make(const Sample& sample, at::ScalarType dtype) {
  auto model = random_model(sample.config, options_of(sample, dtype), kWeights);
  std::mt19937 generator(7);
  std::normal_distribution<float> normal(0, 0.25f);
  for (const WeightEntry& entry : model->weights()) {
    Tensor numbers = at::empty(entry.shape, at::kFloat);
    auto* out = numbers.mutable_data_ptr<float>();
    const float centre = entry.use == WeightUse::gain ? 1 : 0;
    for (std::int64_t i = 0; i < numbers.numel(); ++i) out[i] = centre + normal(generator);
    entry.weight->master.copy_(numbers);
  }
  return model;
}

inline Batch text_batch(unsigned seed = 3) {
  Batch batch = make_batch(random_texts({7, 12, 1, 9, 15}, 29, seed));
  batch.rows[0] = at::arange(batch.streams[0].tokens(), at::TensorOptions(at::kInt));
  return batch;
}

inline std::function<std::optional<Batch>()> once(std::vector<Batch> batches) {
  return [batches = std::move(batches), next = std::size_t{0}]() mutable -> std::optional<Batch> {
    if (next == batches.size()) return std::nullopt;
    return batches[next++];
  };
}

// Scores of every token; of a classifier every text's.
inline Tensor logits_of(Model& model, const Sample& sample) {
  Batch batch = text_batch();
  if (sample.head == HeadKind::classes) batch.rows.clear();
  const at::NoGradGuard no_grad;
  const Scores scores = model.forward(batch, Wanted{}, Pass{}).heads.at(0);
  if (scores.dense.defined()) return scores.dense;
  const Tensor logits = at::linear(scores.hidden, scores.weight->master);
  return scores.bias.defined() ? logits + scores.bias : logits;
}

}  // namespace dsd
