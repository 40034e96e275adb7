#pragma once
// The weights of a BERT encoder and its heads, and the table that tells how a Hugging Face checkpoint spells them.
// H hidden width, V vocabulary, C outputs.

#include <vector>

#include "core/formats/hf_config.h"
#include "core/model/blocks/encoder.h"
#include "core/model/model.h"
#include "core/model/weight_table.h"

namespace dsd {

struct BertLayer {
  AttentionWeights attention;
  MlpWeights mlp;
};

struct BertWeights {
  EmbeddingWeights embeddings;
  std::vector<BertLayer> layers;
  Weight pooler, pooler_bias;                                             // [H, H], [H]
  Weight classifier, classifier_bias;                                     // [C, H], [C]
  Weight transform, transform_bias, transform_gain, transform_norm_bias;  // [H, H], [H] each: before the vocabulary
  Weight decoder, decoder_bias;                                           // [V, H] where not tied to the words, [V]
};

// What of it a model has. Where masked tokens are told, the decoder is the word embedding unless the config unties
// them.
struct BertParts {
  HeadKind head = HeadKind::classes;
  std::int64_t outputs = 0;
  bool pooler = true;
};

// Makes the layers of `weights` and points into it: it must not move afterwards. Order: embeddings, layers, head.
WeightTable bert_weight_table(const BertConfig& config, const BertParts& parts, BertWeights& weights);

// Finds a tensor by the name that the table gives it, or by another that checkpoints use: with or without "bert.",
// norms as gamma and beta, the decoder's bias under either module.
const TensorInfo* find_bert_tensor(const Checkpoint& checkpoint, const std::string& name);

// Error when the checkpoint's encoder holds a tensor that no entry of the table reads (another depth or another model),
// or a decoder that differs from the word embedding which the config ties it to.
void check_bert_checkpoint(const Checkpoint& checkpoint, std::span<const WeightEntry> table);

}  // namespace dsd
