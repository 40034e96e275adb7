#pragma once
// The article's two decoders over packed rows. V3: stages whose layers apply one set of parameters, a bias by relative
// distance beside rotary positions. R1: attention that streams in blocks, one set of experts for all layers. In both a
// mixture of experts stands where other decoders have an MLP.

#include <memory>
#include <vector>

#include "core/model/families/decoder.h"
#include "core/model/families/expert_decoder_weights.h"
#include "core/model/model.h"

namespace dsd {

class ExpertDecoder final : public Model {
 public:
  // Weights are allocated and have no values yet.
  ExpertDecoder(ModelConfig config, const ModelOptions& options);

  Outputs forward(const Batch& batch, const Wanted& wanted, const Pass& pass) override;
  Tensor embed(const Batch& batch, int stream) override;
  std::span<Parameter> parameters() override { return parameters_; }
  const ModelConfig& config() const override { return config_; }
  std::span<const WeightEntry> weights() const override { return table_; }
  // R1's holds as many rows as a query reaches, whatever `capacity` is.
  KvCache make_cache(std::int64_t sequences, std::int64_t capacity) const override;

 private:
  void run_layers(DecoderRun& run);
  void run_layer(DecoderRun& run, std::int64_t index);
  DecoderHead head() const;
  DecoderAttentionWeights attention_of(const LayerSets& sets) const;
  ExpertWeights experts_in(const LayerSets& sets) const;

  ModelConfig config_;
  const ExpertDecoderConfig& sizes_;  // of config_
  HeadKind head_;
  std::int64_t outputs_;
  at::Device device_;
  at::ScalarType dtype_;
  DecoderShape shape_;
  Tensor distance_buckets_;  // [M] int64; undefined: no bias by distance
  ExpertDecoderWeights weights_;
  WeightTable table_;
  std::vector<Parameter> parameters_;
};

// Column of the bias table for each distance 0 ... most, as T5 shares out its buckets (Raffel et al. 2020,
// arXiv:1910.10683): half of them hold one distance each, the others grow as logarithms. int64 [most + 1].
Tensor distance_buckets(std::int64_t buckets, std::int64_t most);

// Cosines and sines for the positions of a forward alone, so that no table grows with the longest text; `rows` becomes
// each position's row of it.
RotaryTable rotary_of(const Tensor& positions, std::int64_t head_width, double theta, at::ScalarType dtype,
                      Tensor* rows);

}  // namespace dsd
