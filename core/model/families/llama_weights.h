#pragma once
// The weights of the decoder that Llama, Mistral, Qwen2 and SmolLM2 share, and the table that tells how a Hugging Face
// checkpoint spells them. H hidden width, V vocabulary, C outputs.

#include <vector>

#include "core/formats/hf_config.h"
#include "core/model/blocks/decoder.h"
#include "core/model/model.h"
#include "core/model/weight_table.h"

namespace dsd {

struct LlamaLayer {
  DecoderAttentionWeights attention;
  GatedMlpWeights mlp;
};

struct LlamaWeights {
  Weight words;  // [V, H]
  std::vector<LlamaLayer> layers;
  Weight gain;  // [H], the last norm
  Weight head;  // [V, H] where not tied to the words, or the classifier [C, H]
};

// Makes the layers of `weights` and points into it: it must not move afterwards. Order: words, layers, norm, head.
WeightTable llama_weight_table(const LlamaConfig& config, HeadKind head, std::int64_t outputs, LlamaWeights& weights);

}  // namespace dsd
