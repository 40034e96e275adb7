#pragma once
// The weights of the article's decoders, each parameter set once however many layers apply it, and the table that tells
// how a checkpoint spells them. H hidden width, V vocabulary, C outputs.

#include <vector>

#include "core/formats/hf_config.h"
#include "core/model/blocks/decoder.h"
#include "core/model/blocks/experts.h"
#include "core/model/model.h"
#include "core/model/weight_table.h"

namespace dsd {

// What a layer may have for itself where all else is shared.
struct OwnWeights {
  Weight attention_gain, mlp_gain;  // [H]
  Weight router;                    // [E, H]
};

struct ExpertDecoderWeights {
  Weight words;                                    // [V, H]
  std::vector<OwnWeights> own;                     // of each layer or stage
  std::vector<DecoderAttentionWeights> attention;  // of each layer or stage; their norm stands in `own`
  std::vector<ExpertWeights> experts;              // of each stage, or one set; norm and router stand in `own`
  Weight gain;                                     // [H], the last norm
  Weight head;                                     // [V, H] where not tied to the words, or the classifier [C, H]
};

// Which of the sets a layer applies.
struct LayerSets {
  std::size_t own = 0, attention = 0, experts = 0;
};
LayerSets sets_of(const FamilyConfig& family, std::int64_t layer);

// Makes the sets of `weights` and points into it: it must not move afterwards. `family` is V3Config or R1Config.
WeightTable expert_decoder_weight_table(const FamilyConfig& family, HeadKind head, std::int64_t outputs,
                                        ExpertDecoderWeights& weights);

}  // namespace dsd
