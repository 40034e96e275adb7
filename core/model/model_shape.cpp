#include "core/model/model_shape.h"

namespace dsd {
namespace {

ModelShape shape(const BertConfig& bert) {
  return {.layers = bert.num_hidden_layers,
          .hidden = bert.hidden_size,
          .heads = bert.num_attention_heads,
          .key_heads = bert.num_attention_heads,
          .head_width = bert.hidden_size / bert.num_attention_heads};
}

template <class Decoder>
ModelShape shape(const Decoder& decoder) {
  return {.layers = decoder.num_hidden_layers,
          .hidden = decoder.hidden_size,
          .heads = decoder.num_attention_heads,
          .key_heads = decoder.num_key_value_heads,
          .head_width = decoder.head_dim,
          .causal = true};
}

}  // namespace

ModelShape shape_of(const FamilyConfig& family) {
  return std::visit([](const auto& config) { return shape(config); }, family);
}

}  // namespace dsd
