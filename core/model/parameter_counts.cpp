#include "core/model/parameter_counts.h"

#include "core/model/families/bert_weights.h"
#include "core/model/families/expert_decoder_weights.h"
#include "core/model/families/llama_weights.h"

namespace dsd {
namespace {

ParameterCounts counts_of(const WeightTable& table) {
  ParameterCounts counts;
  for (const WeightEntry& entry : table) {
    std::int64_t size = 1;
    for (const std::int64_t extent : entry.shape) size *= extent;
    counts.stored += size;
    counts.effective += size * entry.applied;
  }
  return counts;
}

}  // namespace

ParameterCounts parameter_counts(const ModelConfig& config, HeadKind head, std::int64_t outputs) {
  if (const auto* bert = std::get_if<BertConfig>(&config.family)) {
    BertWeights weights;
    const bool classifies = head == HeadKind::classes || head == HeadKind::values;
    return counts_of(bert_weight_table(*bert, {.head = head, .outputs = outputs, .pooler = classifies}, weights));
  }
  if (const auto* llama = std::get_if<LlamaConfig>(&config.family)) {
    LlamaWeights weights;
    return counts_of(llama_weight_table(*llama, head, outputs, weights));
  }
  ExpertDecoderWeights weights;
  return counts_of(expert_decoder_weight_table(config.family, head, outputs, weights));
}

}  // namespace dsd
