// Every inner loop, and the table of them.
#include "kernels/cpu/activation.inl"
#include "kernels/cpu/adamw.inl"
#include "kernels/cpu/attention.inl"
#include "kernels/cpu/decoder.inl"
#include "kernels/cpu/few_rows.inl"
#include "kernels/cpu/norm.inl"
#include "kernels/cpu/vocabulary.inl"

namespace dsd::cpu {
namespace {

constexpr Functions make_functions() {
  return {.adamw = adamw,
          .adamw_replay = adamw_replay,
          .norm_forward = norm_forward,
          .norm_backward = norm_backward,
          .embedding_forward = embedding_forward,
          .activation_forward = activation_forward,
          .activation_backward = activation_backward,
          .attention_forward = attention_forward,
          .attention_backward = attention_backward,
          .scale_norm_forward = scale_norm_forward,
          .scale_norm_backward = scale_norm_backward,
          .rotate = rotate,
          .gate_forward = gate_forward,
          .gate_backward = gate_backward,
          .softmax_tile = softmax_tile,
          .softmax_tile_backward = softmax_tile_backward,
          .few_rows = few_rows,
          .vocabulary_rows = vocabulary_rows,
          .round_to_bf16 = round_to_bf16};
}

}  // namespace
}  // namespace dsd::cpu
