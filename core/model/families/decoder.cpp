#include "core/model/families/decoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/base/error.h"

namespace dsd {
namespace {

using Kind = Site::Kind;

constexpr std::string_view kPrefix = "model.";

std::string without_prefix(std::string_view name) {
  return std::string(name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name);
}

// [T] 0 or -infinity.
Tensor key_bias_of(const Tensor& visible, at::Device device) {
  const Tensor bias = at::zeros({visible.size(0)}, at::kFloat);
  bias.masked_fill_(visible.to(at::kCPU, at::kBool).logical_not(), -INFINITY);
  return bias.to(device);
}

}  // namespace

void check_decoder_head(const ModelOptions& options, std::string_view type) {
  if (options.head == HeadKind::masked_tokens) fail("{} is a decoder; it tells next tokens, not masked ones", type);
  if (has_classifier(options.head) && options.outputs < 1)
    fail("a head needs at least one output, not {}", options.outputs);
}

WeightEntry& LayerTable::add(const std::string& stem, Weight& weight, std::int64_t columns, WeightUse use,
                             std::vector<CheckpointTensor> parts) {
  WeightEntry entry{.stem = stem_ + stem, .layer = layer_, .weight = &weight, .use = use};
  std::int64_t rows = 0;
  for (CheckpointTensor& part : parts) {
    rows += part.rows;
    part.name = prefix_ + part.name;
  }
  entry.shape = columns > 0 ? std::vector{rows, columns} : std::vector{rows};
  entry.tensors = std::move(parts);
  table_.push_back(std::move(entry));
  return table_.back();
}

std::string decoder_prefix(HeadKind head) { return std::string(head == HeadKind::none ? "" : kPrefix); }

void add_words(const DecoderSizes& sizes, HeadKind head, Weight& words, WeightTable& table) {
  const bool tied = head == HeadKind::next_token && sizes.tied;
  LayerTable entries(table, decoder_prefix(head), kNoLayer);
  entries
      .add("embeddings.words.weight", words, sizes.hidden, tied ? WeightUse::product : WeightUse::look_up,
           {{"embed_tokens.weight", sizes.vocabulary}})
      .sparse_gradient = !tied;
}

void add_head(const DecoderSizes& sizes, HeadKind head, std::int64_t outputs, Weight& gain, Weight& weight,
              WeightTable& table) {
  LayerTable(table, decoder_prefix(head), kNoLayer)
      .add("norm.weight", gain, 0, WeightUse::gain, {{"norm.weight", sizes.hidden}});
  LayerTable entries(table, "", kNoLayer);
  if (head == HeadKind::next_token && !sizes.tied) {
    entries.add("head.weight", weight, sizes.hidden, WeightUse::product, {{"lm_head.weight", sizes.vocabulary}})
        .of_head = true;
  } else if (has_classifier(head)) {
    entries.add("classifier.weight", weight, sizes.hidden, WeightUse::head, {{"score.weight", outputs}}).of_head = true;
  }
}

std::vector<CheckpointTensor> qkv_parts(const DecoderSizes& sizes, const char* kind) {
  const std::int64_t width = sizes.heads * sizes.head_width, key_width = sizes.key_heads * sizes.head_width;
  std::vector<CheckpointTensor> parts;
  for (const auto& [name, rows] : {std::pair("q", width), std::pair("k", key_width), std::pair("v", key_width)})
    parts.push_back({.name = fmt::format("self_attn.{}_proj.{}", name, kind), .rows = rows});
  return parts;
}

const TensorInfo* find_decoder_tensor(const Checkpoint& checkpoint, const std::string& name) {
  if (const TensorInfo* info = checkpoint.find(name)) return info;
  const std::string bare = without_prefix(name);
  return checkpoint.find(bare == name ? std::string(kPrefix) + bare : bare);
}

void check_decoder_checkpoint(const Checkpoint& checkpoint, std::span<const WeightEntry> table,
                              std::initializer_list<std::string_view> groups) {
  std::set<std::string> known;
  for (const WeightEntry& entry : table)
    for (const CheckpointTensor& tensor : entry.tensors) known.insert(without_prefix(tensor.name));
  for (const std::string& name : checkpoint.names()) {
    const std::string bare = without_prefix(name);
    const bool of_layer = std::ranges::any_of(groups, [&](std::string_view group) { return bare.starts_with(group); });
    // A buffer that older versions of transformers wrote; it follows from the config.
    if (!of_layer || bare.ends_with("rotary_emb.inv_freq")) continue;
    if (!known.contains(bare))
      fail("{}: tensor '{}' has no place in the model that config.json describes; is 'num_hidden_layers' right?",
           checkpoint.folder().string(), name);
  }
}

void DecoderRun::enter(const Weight& words) {
  hidden = pass.embeddings.defined() ? pass.embeddings : look_up(words, packed.text.ids);
  capture(Kind::embedding, 0, hidden);
  capture(Kind::hidden, 0, hidden);
}

bool DecoderRun::prunes(std::int64_t layer) const {
  return layer + 1 == depth && last_alone && !wanted.routing && !wants(Kind::hidden, layer + 1) && !wants_qkv(layer);
}

Scores scores_of(const DecoderRun& run, const DecoderHead& head) {
  Tensor x = run.hidden;
  if (!run.reduced && run.head_rows.numel() != x.size(0))
    x = x.index_select(0, run.head_rows.to(x.device(), at::kLong));
  x = scale_norm_block(x, *head.gain, head.epsilon);
  Scores scores;
  scores.rows = run.head_rows;
  if (has_classifier(head.kind)) {
    scores.classes = head.outputs;
    scores.dense = at::linear(x, head.weight->master);
    return scores;
  }
  scores.classes = head.vocabulary;
  scores.hidden = x;
  scores.weight = head.weight;
  return scores;
}

DecoderRun begin_run(const Batch& batch, const Wanted& wanted, const Pass& pass, const TableSizes& sizes,
                     std::int64_t layers, bool has_head, at::Device device) {
  for (const Site& site : wanted.sites) {
    if (site.stream != pass.stream) continue;
    if (site.kind == Kind::pooled) fail("{}: a decoder has no pooler", name_of(site));
    check_site(site, layers);
  }
  DecoderRun run{{.wanted = wanted, .pass = pass, .packed = pack(batch, pass.stream, sizes, device)}};
  const PackedRows& rows = run.packed.rows;
  run.rows = {.offsets = rows.offsets, .positions = rows.positions, .key_bias = {}, .rotary = {}, .cache = pass.cache};
  if (const Tensor& visible = run.packed.text.visible; visible.defined()) {
    if (pass.cache != nullptr) fail("a text that is read in pieces cannot have tokens that attention does not see");
    run.rows.key_bias = key_bias_of(visible, device);
  }
  if (pass.cache != nullptr) run.rows.positions = positions_after(*pass.cache, rows);
  if (wanted.heads && has_head) {
    run.head_rows = head_rows(batch, pass.stream, TextEnd::last, device);
    const Tensor last = last_rows_of(rows.offsets);
    run.last_alone = run.head_rows.sizes() == last.sizes() && run.head_rows.to(at::kCPU).equal(last);
  }
  run.depth = run.head_rows.defined() || wanted.routing || pass.cache != nullptr ? layers : 0;
  run.reach_sites();
  return run;
}

std::int64_t last_position(const DecoderRun& run, std::int64_t most) {
  const Tensor& positions = run.rows.positions;
  const std::int64_t last = positions.numel() > 0 ? positions.max().item<std::int32_t>() : 0;
  if (last >= most) fail("the model has positions for {} tokens, and the text needs {}", most, last + 1);
  return last;
}

}  // namespace dsd
