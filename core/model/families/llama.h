#pragma once
// The decoder that Llama (Touvron et al. 2023, arXiv:2302.13971), Mistral, Qwen2 and SmolLM2 share, over packed rows:
// word embeddings, pre-norm layers with rotary positions and grouped keys, a last norm, and one head (next token,
// classes or values from each sequence's last token, or none).

#include <memory>
#include <vector>

#include "core/model/families/decoder.h"
#include "core/model/families/llama_weights.h"
#include "core/model/model.h"

namespace dsd {

class Llama final : public Model {
 public:
  // Weights are allocated and have no values yet.
  Llama(ModelConfig config, const ModelOptions& options);

  Outputs forward(const Batch& batch, const Wanted& wanted, const Pass& pass) override;
  Tensor embed(const Batch& batch, int stream) override;
  std::span<Parameter> parameters() override { return parameters_; }
  const ModelConfig& config() const override { return config_; }
  std::span<const WeightEntry> weights() const override { return table_; }
  KvCache make_cache(std::int64_t sequences, std::int64_t capacity) const override;

 private:
  void run_layers(DecoderRun& run);
  DecoderHead head() const;
  RotaryTable rotary(std::int64_t positions);

  ModelConfig config_;
  LlamaConfig llama_;
  HeadKind head_;
  std::int64_t outputs_;
  at::Device device_;
  LlamaWeights weights_;
  WeightTable table_;
  std::vector<Parameter> parameters_;
  RotaryTable rotary_;  // as long as has been needed
};

// Cosines and sines for positions 0 ... count - 1, in fp32 as transformers makes them.
RotaryTable make_rotary(std::int64_t count, std::int64_t head_width, double theta, const RopeScaling& scaling);

}  // namespace dsd
