// Which path a block takes.
#include "core/model/blocks/encoder.h"

namespace dsd {

Tensor embedding_block(const Sequences& text, const PackedRows& rows, const EmbeddingWeights& weights, double epsilon,
                       const BlockDropout& dropout, const Tensor& replaced) {
  return plain::embedding_block(text, rows, weights, epsilon, dropout, replaced);
}

AttentionOutput attention_block(const Tensor& x, const PackedRows& rows, const Tensor& query_rows,
                                const AttentionWeights& weights, std::int64_t heads, double epsilon,
                                const BlockDropout& dropout, bool want_qkv) {
  return plain::attention_block(x, rows, query_rows, weights, heads, epsilon, dropout, want_qkv);
}

Tensor mlp_block(const Tensor& x, const PackedRows& rows, const MlpWeights& weights, Activation activation,
                 double epsilon, const BlockDropout& dropout) {
  return plain::mlp_block(x, rows, weights, activation, epsilon, dropout);
}

}  // namespace dsd
