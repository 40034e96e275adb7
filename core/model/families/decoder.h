#pragma once
// What the families of decoders share: the table of weights, the state of one forward over packed rows, and the head.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/model/blocks/decoder.h"
#include "core/model/families/forward.h"
#include "core/model/families/head.h"
#include "core/model/model.h"
#include "core/model/weight_table.h"

namespace dsd {

// Error for a head that no decoder has.
void check_decoder_head(const ModelOptions& options, std::string_view type);

// Adds entries to a table.
class LayerTable {
 public:
  // `stem` goes before our names, `prefix` before the checkpoint's.
  LayerTable(WeightTable& table, std::string prefix, int layer, std::string stem = "")
      : table_(table), prefix_(std::move(prefix)), stem_(std::move(stem)), layer_(layer) {}

  // `parts` are the checkpoint's tensors with their rows, stacked; columns 0 for a vector.
  WeightEntry& add(const std::string& stem, Weight& weight, std::int64_t columns, WeightUse use,
                   std::vector<CheckpointTensor> parts);

 private:
  WeightTable& table_;
  std::string prefix_, stem_;
  int layer_;
};

struct DecoderSizes {
  std::int64_t hidden = 0, heads = 0, key_heads = 0, head_width = 0, vocabulary = 0;
  bool tied = false;
};

template <class Config>
DecoderSizes decoder_sizes(const Config& config) {
  return {.hidden = config.hidden_size,
          .heads = config.num_attention_heads,
          .key_heads = config.num_key_value_heads,
          .head_width = config.head_dim,
          .vocabulary = config.vocab_size,
          .tied = config.tie_word_embeddings};
}

// transformers gives its bare decoder no prefix.
std::string decoder_prefix(HeadKind head);

// The word embeddings; the norm before the head and the head.
void add_words(const DecoderSizes& sizes, HeadKind head, Weight& words, WeightTable& table);
void add_head(const DecoderSizes& sizes, HeadKind head, std::int64_t outputs, Weight& gain, Weight& weight,
              WeightTable& table);

// q_proj, k_proj and v_proj (`kind` is "weight" or "bias"), stacked.
std::vector<CheckpointTensor> qkv_parts(const DecoderSizes& sizes, const char* kind);

// Finds a tensor by the name that the table gives it, with or without "model.".
const TensorInfo* find_decoder_tensor(const Checkpoint& checkpoint, const std::string& name);

// Error when the checkpoint holds a tensor of a layer (or of another of the `groups`, "layers." ...) that no entry of
// the table reads.
void check_decoder_checkpoint(const Checkpoint& checkpoint, std::span<const WeightEntry> table,
                              std::initializer_list<std::string_view> groups);

// One forward.
struct DecoderRun : ForwardRun {
  DecoderRows rows;
  bool last_alone = false;  // the head reads each sequence's last row and no other

  // Looks the words up, or takes what stands in for them.
  void enter(const Weight& words);
  // Design rule 4: nothing is computed for rows that nobody reads.
  bool prunes(std::int64_t layer) const;
};

// What follows the last layer.
struct DecoderHead {
  HeadKind kind = HeadKind::none;
  std::int64_t outputs = 0, vocabulary = 0;
  const Weight *gain = nullptr, *weight = nullptr;  // the norm before it; [V, H] or [C, H]
  double epsilon = 0;
};
Scores scores_of(const DecoderRun& run, const DecoderHead& head);

// Packs, sets positions (behind a cache, where there is one) and depth. Rotary tables are the family's.
DecoderRun begin_run(const Batch& batch, const Wanted& wanted, const Pass& pass, const TableSizes& sizes,
                     std::int64_t layers, bool has_head, at::Device device);

// The largest position of a run; Error when the model has none for it.
std::int64_t last_position(const DecoderRun& run, std::int64_t most);

}  // namespace dsd
