#include "core/model/families/bert.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/model/families/forward.h"
#include "core/model/families/head.h"
#include "kernels/dropout.h"

namespace dsd {
namespace {

using Kind = Site::Kind;

// RandomKey::layer of each place with dropout.
constexpr std::uint32_t kEmbeddingDropout = 0, kHeadDropout = 1;
std::uint32_t attention_dropout(std::int64_t layer) { return static_cast<std::uint32_t>(2 + 2 * layer); }
std::uint32_t mlp_dropout(std::int64_t layer) { return static_cast<std::uint32_t>(3 + 2 * layer); }

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

struct Bert::Run : ForwardRun {
  bool last_is_read = false;  // somebody reads what comes out of the last layer

  BlockDropout dropout(double hidden_rate, double attention_rate, std::uint32_t site) const {
    if (!pass.train) return {};
    return {.hidden = hidden_rate, .attention = attention_rate, .key = pass.dropout.at_layer(site)};
  }
};

Bert::Bert(ModelConfig config, const ModelOptions& options, const BertParts& parts)
    : config_(with_head(std::move(config), "Bert", parts.head, parts.outputs)),
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
    check_site(site, bert_.num_hidden_layers);
    if (site.kind == Kind::pooled && !parts_.pooler) fail("{}: this model has no pooler", name_of(site));
  }
}

Outputs Bert::forward(const Batch& batch, const Wanted& wanted, const Pass& pass) {
  check(wanted, pass);
  const TableSizes sizes{bert_.vocab_size, bert_.max_position_embeddings, bert_.type_vocab_size};
  Run run{{.wanted = wanted, .pass = pass, .packed = pack(batch, pass.stream, sizes, device_)}};
  const bool has_head = wanted.heads && parts_.head != HeadKind::none;
  const bool wants_pooled = run.wants(Kind::pooled, 0);
  const bool reads_rows = has_head || wants_pooled;
  if (has_head && parts_.head == HeadKind::masked_tokens && (pass.stream != 0 || batch.rows.empty()))
    fail("a batch for a head over masked tokens must say which rows it reads");
  if (reads_rows) run.head_rows = head_rows(batch, pass.stream, TextEnd::first, device_);

  run.depth = reads_rows ? bert_.num_hidden_layers : 0;
  run.reach_sites();
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
  if (wants_qkv) run.capture_qkv(index, qkv, bert_.hidden_size, bert_.hidden_size);
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

}  // namespace dsd
