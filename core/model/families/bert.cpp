#include "core/model/families/bert.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/model/packed_text.h"
#include "kernels/dropout.h"

namespace dsd {
namespace {

using Kind = Site::Kind;

// RandomKey::layer of each place with dropout.
constexpr std::uint32_t kEmbeddingDropout = 0, kHeadDropout = 1;
std::uint32_t attention_dropout(std::int64_t layer) { return static_cast<std::uint32_t>(2 + 2 * layer); }
std::uint32_t mlp_dropout(std::int64_t layer) { return static_cast<std::uint32_t>(3 + 2 * layer); }

bool reads_qkv(Kind kind) { return kind == Kind::query || kind == Kind::key || kind == Kind::value; }

bool has_classifier(HeadKind head) { return head == HeadKind::classes || head == HeadKind::values; }

BertConfig bert_config(const ModelConfig& config) {
  const auto& bert = std::get<BertConfig>(config.family);
  if (bert.num_attention_heads < 1 || bert.hidden_size % bert.num_attention_heads != 0)
    fail("a hidden width of {} cannot be shared out to {} attention heads", bert.hidden_size, bert.num_attention_heads);
  return bert;
}

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::relu:
      return at::relu(x);
    case Activation::silu:
      return at::silu(x);
  }
  fail("an activation has no formula in the head over masked tokens");
}

}  // namespace

struct Bert::Run {
  const Wanted& wanted;
  const Pass& pass;
  PackedText packed;
  Tensor head_rows;  // [N] int32; defined where a head or the pooler reads them
  Tensor hidden;     // [T, H] of the layer reached; [N, H], the head's rows, once `reduced`
  bool reduced = false;
  std::int64_t depth = 0;     // layers to run
  bool last_is_read = false;  // somebody reads what comes out of the last of them
  Outputs outputs;

  bool wants(Kind kind, std::int64_t layer) const {
    return wanted.contains({.kind = kind, .layer = static_cast<int>(layer), .stream = pass.stream});
  }
  void capture(Kind kind, std::int64_t layer, const Tensor& value) {
    if (wants(kind, layer))
      outputs.captured.emplace_back(Site{.kind = kind, .layer = static_cast<int>(layer), .stream = pass.stream}, value);
  }
  bool wants_qkv(std::int64_t layer) const {
    return wants(Kind::query, layer) || wants(Kind::key, layer) || wants(Kind::value, layer);
  }
  BlockDropout dropout(double hidden_rate, double attention_rate, std::uint32_t site) const {
    if (!pass.train) return {};
    return {.hidden = hidden_rate, .attention = attention_rate, .key = pass.dropout.at_layer(site)};
  }
};

Bert::Bert(ModelConfig config, const ModelOptions& options, const BertParts& parts)
    : config_(with_bert_head(std::move(config), parts)),
      bert_(bert_config(config_)),
      parts_(parts),
      device_(options.device),
      table_(bert_weight_table(bert_, parts_, weights_)),
      parameters_(parameters_of(table_)) {
  allocate_weights(table_, options);
}

void Bert::check(const Wanted& wanted, const Pass& pass) const {
  for (const Site& site : wanted.sites) {
    if (site.stream != pass.stream) continue;
    const bool whole = site.kind == Kind::embedding || site.kind == Kind::pooled;
    const std::int64_t last = whole ? 0 : bert_.num_hidden_layers - (reads_qkv(site.kind) ? 1 : 0);
    if (site.layer < 0 || site.layer > last)
      fail("{} is not in this model, which has {} layers; the last one there is {}", name_of(site),
           bert_.num_hidden_layers, last);
    if (site.kind == Kind::pooled && !parts_.pooler) fail("{}: this model has no pooler", name_of(site));
  }
}

Outputs Bert::forward(const Batch& batch, const Wanted& wanted, const Pass& pass) {
  check(wanted, pass);
  const TableSizes sizes{bert_.vocab_size, bert_.max_position_embeddings, bert_.type_vocab_size};
  Run run{.wanted = wanted, .pass = pass, .packed = pack(batch, pass.stream, sizes, device_)};
  const bool has_head = wanted.heads && parts_.head != HeadKind::none;
  const bool wants_pooled = run.wants(Kind::pooled, 0);
  const bool reads_rows = has_head || wants_pooled;
  if (has_head && parts_.head == HeadKind::masked_tokens && (pass.stream != 0 || batch.rows.empty()))
    fail("a batch for a head over masked tokens must say which rows it reads");
  if (reads_rows) run.head_rows = head_rows(batch, pass.stream, device_);

  run.depth = reads_rows ? bert_.num_hidden_layers : 0;
  for (const Site& site : wanted.sites)
    if (site.stream == pass.stream)
      run.depth = std::max<std::int64_t>(run.depth, site.layer + (reads_qkv(site.kind) ? 1 : 0));
  run.last_is_read = reads_rows || run.wants(Kind::hidden, run.depth);
  run_layers(run);
  if (!reads_rows) return std::move(run.outputs);

  if (!run.reduced) run.hidden = run.hidden.index_select(0, run.head_rows);
  Tensor pool;
  if (wants_pooled || (has_head && has_classifier(parts_.head))) pool = pooled(run.hidden);
  if (wants_pooled) run.capture(Kind::pooled, 0, pool);
  if (has_head)
    run.outputs.heads.push_back(has_classifier(parts_.head) ? classify(run, pool) : tell_masked_tokens(run));
  return std::move(run.outputs);
}

void Bert::run_layers(Run& run) {
  Tensor embeddings = run.pass.embeddings;
  if (run.wants(Kind::embedding, 0)) {
    // Looked up here, so that what is captured is what the block reads and gradients meet in it.
    if (!embeddings.defined()) embeddings = look_up(weights_.embeddings.words, run.packed.text.ids);
    run.capture(Kind::embedding, 0, embeddings);
  }
  run.hidden = embedding_block(run.packed.text, run.packed.rows, weights_.embeddings, bert_.layer_norm_eps,
                               run.dropout(bert_.hidden_dropout_prob, 0, kEmbeddingDropout), embeddings);
  run.capture(Kind::hidden, 0, run.hidden);
  for (std::int64_t layer = 0; layer < run.depth; ++layer) {
    const bool is_last = layer + 1 == run.depth;
    // Design rule 4: nothing is computed for rows that nobody reads.
    const bool prune =
        is_last && run.head_rows.defined() && !run.wants(Kind::hidden, layer + 1) && !run.wants_qkv(layer);
    run_layer(run, layer, prune);
    run.capture(Kind::hidden, layer + 1, run.hidden);
  }
}

void Bert::run_layer(Run& run, std::int64_t index, bool for_head_rows) {
  const BertLayer& layer = weights_.layers[static_cast<std::size_t>(index)];
  const bool wants_qkv = run.wants_qkv(index);
  const PackedRows& rows = run.packed.rows;
  auto [hidden, qkv] = attention_block(
      run.hidden, rows, for_head_rows ? run.head_rows : Tensor(), layer.attention, bert_.num_attention_heads,
      bert_.layer_norm_eps,
      run.dropout(bert_.hidden_dropout_prob, bert_.attention_probs_dropout_prob, attention_dropout(index)), wants_qkv);
  if (wants_qkv) {
    const std::int64_t width = bert_.hidden_size;
    run.capture(Kind::query, index, qkv.narrow(1, 0, width));
    run.capture(Kind::key, index, qkv.narrow(1, width, width));
    run.capture(Kind::value, index, qkv.narrow(1, 2 * width, width));
  }
  run.reduced = for_head_rows;
  if (index + 1 == run.depth && !run.last_is_read) return;
  run.hidden = mlp_block(hidden, for_head_rows ? select(rows, run.head_rows) : rows, layer.mlp, bert_.hidden_act,
                         bert_.layer_norm_eps, run.dropout(bert_.hidden_dropout_prob, 0, mlp_dropout(index)));
}

Tensor Bert::pooled(const Tensor& first_rows) {
  return at::tanh(at::linear(first_rows, weights_.pooler.master, weights_.pooler_bias.master));
}

Scores Bert::classify(const Run& run, const Tensor& pooled) {
  Tensor x = pooled;  // [N, H]
  const Dropout dropout = make_dropout(bert_.classifier_dropout.value_or(bert_.hidden_dropout_prob),
                                       run.pass.dropout.at_layer(kHeadDropout));
  if (run.pass.train && dropout.active()) {
    const PackedRows rows = select(run.packed.rows, run.head_rows);
    x = x * dropout_mask(dropout, rows.places, rows.positions, x.size(1), x.options().requires_grad(false));
  }
  Scores scores;
  scores.rows = run.head_rows;
  scores.classes = parts_.outputs;
  scores.dense = at::linear(x, weights_.classifier.master, weights_.classifier_bias.master);
  return scores;
}

Scores Bert::tell_masked_tokens(const Run& run) {
  const Tensor x = activate(at::linear(run.hidden, weights_.transform.master, weights_.transform_bias.master),
                            bert_.hidden_act);  // [N, H]
  Scores scores;
  scores.rows = run.head_rows;
  scores.classes = bert_.vocab_size;
  scores.hidden = at::layer_norm(x, {x.size(1)}, weights_.transform_gain.master, weights_.transform_norm_bias.master,
                                 bert_.layer_norm_eps);
  scores.weight = bert_.tie_word_embeddings ? &weights_.embeddings.words : &weights_.decoder;
  scores.bias = weights_.decoder_bias.master;
  return scores;
}

Tensor Bert::embed(const Batch& batch, int stream) {
  const TableSizes sizes{bert_.vocab_size, bert_.max_position_embeddings, bert_.type_vocab_size};
  return look_up(weights_.embeddings.words, pack(batch, stream, sizes, device_).text.ids);
}

ModelConfig with_bert_head(ModelConfig config, const BertParts& parts) {
  HeadInfo& head = config.head;
  if (!has_classifier(parts.head)) {
    head = {};
    head.architectures = {parts.head == HeadKind::none ? "BertModel" : "BertForMaskedLM"};
    return config;
  }
  if (static_cast<std::int64_t>(head.labels.size()) != parts.outputs) {
    head.labels.clear();
    for (std::int64_t i = 0; i < parts.outputs; ++i) head.labels.push_back(fmt::format("LABEL_{}", i));
  }
  const bool several = head.problem_type == ProblemType::multi_label_classification;
  if (parts.head == HeadKind::values) head.problem_type = ProblemType::regression;
  else if (!several) head.problem_type = ProblemType::single_label_classification;
  head.architectures = {"BertForSequenceClassification"};
  return config;
}

}  // namespace dsd
