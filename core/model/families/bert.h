#pragma once
// BERT over packed rows: embedding, post-norm layers, and one head (classes or values by way of the pooler, masked
// tokens, or none). Serves BERT, MiniLM and TinyBERT widths.

#include <memory>
#include <vector>

#include "core/model/families/bert_weights.h"
#include "core/model/model.h"

namespace dsd {

class Bert final : public Model {
 public:
  // Weights are allocated and have no values yet.
  Bert(ModelConfig config, const ModelOptions& options, const BertParts& parts);

  Outputs forward(const Batch& batch, const Wanted& wanted, const Pass& pass) override;
  Tensor embed(const Batch& batch, int stream) override;
  std::span<Parameter> parameters() override { return parameters_; }
  const ModelConfig& config() const override { return config_; }
  std::span<const WeightEntry> weights() const override { return table_; }

 private:
  struct Run;  // one forward
  void run_layers(Run& run);
  void run_layer(Run& run, std::int64_t index, bool for_head_rows);
  Tensor pooled(const Tensor& first_rows);  // [N, H] of the head's rows
  Scores classify(const Run& run, const Tensor& pooled);
  Scores tell_masked_tokens(const Run& run);
  void check(const Wanted& wanted, const Pass& pass) const;

  ModelConfig config_;
  BertConfig bert_;
  BertParts parts_;
  at::Device device_;
  BertWeights weights_;
  WeightTable table_;
  std::vector<Parameter> parameters_;
};

}  // namespace dsd
