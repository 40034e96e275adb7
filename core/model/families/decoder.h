#pragma once
// What the families of decoders share: the head as a config states it, the table of weights, and the state of one
// forward over packed rows.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/model/blocks/decoder.h"
#include "core/model/model.h"
#include "core/model/packed_text.h"
#include "core/model/weight_table.h"

namespace dsd {

bool has_classifier(HeadKind head);

// Error for a head that no decoder has.
void check_decoder_head(const ModelOptions& options, std::string_view type);

// The config as a checkpoint of this head states it; its architecture is "<stem>ForCausalLM" or another of the kind.
ModelConfig with_decoder_head(ModelConfig config, const std::string& stem, HeadKind kind, std::int64_t outputs);

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
struct DecoderRun {
  const Wanted& wanted;
  const Pass& pass;
  PackedText packed;
  DecoderRows rows;
  Tensor head_rows;         // [N] int32
  bool last_alone = false;  // the head reads each sequence's last row and no other
  Tensor hidden;            // [T, H]; [S, H] once `reduced`
  bool reduced = false;
  std::int64_t depth = 0;  // layers that are needed
  Outputs outputs;

  bool wants(Site::Kind kind, std::int64_t layer) const;
  bool wants_qkv(std::int64_t layer) const;
  void capture(Site::Kind kind, std::int64_t layer, const Tensor& value);
  void capture_qkv(std::int64_t layer, const Tensor& qkv, const DecoderShape& shape);
  // Design rule 4: nothing is computed for rows that nobody reads.
  bool prunes(std::int64_t layer) const;
  // The rows that the head reads, before its norm.
  Tensor head_input() const;
};

// Error for a site that a decoder of so many layers has not.
void check_sites(const Wanted& wanted, const Pass& pass, std::int64_t layers);

// Packs, sets positions (behind a cache, where there is one) and depth. Rotary tables are the family's.
DecoderRun begin_run(const Batch& batch, const Wanted& wanted, const Pass& pass, const TableSizes& sizes,
                     std::int64_t layers, bool has_head, at::Device device);

// The largest position of a run; Error when the model has none for it.
std::int64_t last_position(const DecoderRun& run, std::int64_t most);

}  // namespace dsd
