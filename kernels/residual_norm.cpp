#include "kernels/residual_norm.h"

#include "kernels/parallel.h"

namespace dsd {
namespace {

constexpr std::int64_t kRowsOfAPart = 16;

// One pass backward, and the columns' sums folded into the gradients of the weights.
void run_backward(const cpu::NormBackward& work, std::int64_t rows, const NormGradientSums& sums,
                  const cpu::Functions& functions) {
  const std::int64_t parts = part_count(rows, kRowsOfAPart), width = work.width;
  const bool sums_branch = sums.branch_bias.defined();
  PartSums part_sums(parts, 3 * width);
  in_parts(rows, parts, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    float* of = part_sums.of(part);
    functions.norm_backward(work, {of, of + width, sums_branch ? of + 2 * width : nullptr}, begin, end);
  });
  part_sums.fold(0, width, sums.gain);
  part_sums.fold(width, width, sums.bias);
  part_sums.fold(2 * width, width, sums.branch_bias);
}

}  // namespace

at::Tensor residual_norm(const ResidualNorm& work, NormSaved* saved, const cpu::Functions& functions) {
  const std::int64_t rows = work.branch.size(0), width = work.branch.size(1);
  at::Tensor out = saved != nullptr ? at::empty_like(work.branch) : work.branch;
  if (saved != nullptr) *saved = {work.branch, at::empty({rows}, at::kFloat)};
  cpu::NormForward loop;
  loop.residual = work.residual.const_data_ptr<float>();
  loop.residual_rows = pointer_or_null<std::int32_t>(work.residual_rows);
  loop.branch = work.branch.mutable_data_ptr<float>();
  loop.branch_bias = pointer_or_null<float>(work.branch_bias);
  loop.gain = work.gain.const_data_ptr<float>();
  loop.bias = pointer_or_null<float>(work.bias);
  loop.out = out.mutable_data_ptr<float>();
  loop.inverse = saved != nullptr ? saved->inverse.mutable_data_ptr<float>() : nullptr;
  loop.width = width;
  loop.epsilon = static_cast<float>(work.epsilon);
  loop.centred = work.kind == NormKind::layer;
  loop.dropout = words_of(work.dropout);
  loop.places = pointer_or_null<std::int32_t>(work.places);
  loop.positions = pointer_or_null<std::int32_t>(work.positions);
  in_parts(rows, part_count(rows, kRowsOfAPart),
           [&](std::int64_t begin, std::int64_t end, std::int64_t) { functions.norm_forward(loop, begin, end); });
  return out;
}

ResidualNormGradient residual_norm_backward(const at::Tensor& gradient, const ResidualNorm& work,
                                            const NormSaved& saved, at::ScalarType branch_type,
                                            const NormGradientSums& sums, const cpu::Functions& functions) {
  ResidualNormGradient result;
  result.residual = at::empty_like(saved.normalised);
  cpu::NormBackward loop;
  if (branch_type == at::kBFloat16) {
    result.branch = at::empty(saved.normalised.sizes(), at::kBFloat16);
    loop.to_branch_bf16 = bf16_pointer(result.branch);
  } else if (work.dropout.active()) {
    result.branch = at::empty_like(saved.normalised);
    loop.to_branch = result.branch.mutable_data_ptr<float>();
  } else {
    result.branch = result.residual;
  }
  loop.gradient = gradient.const_data_ptr<float>();
  loop.normalised = saved.normalised.const_data_ptr<float>();
  loop.inverse = saved.inverse.const_data_ptr<float>();
  loop.gain = work.gain.const_data_ptr<float>();
  loop.to_residual = result.residual.mutable_data_ptr<float>();
  loop.width = saved.normalised.size(1);
  loop.centred = work.kind == NormKind::layer;
  loop.dropout = words_of(work.dropout);
  loop.places = pointer_or_null<std::int32_t>(work.places);
  loop.positions = pointer_or_null<std::int32_t>(work.positions);
  run_backward(loop, saved.normalised.size(0), sums, functions);
  return result;
}

at::Tensor embedding_norm(const EmbeddingNorm& work, NormSaved* saved, const cpu::Functions& functions) {
  const std::int64_t rows = work.positions.size(0), width = work.words.size(1);
  const at::Tensor out = at::empty({rows, width}, at::kFloat);
  if (saved != nullptr) *saved = {at::empty_like(out), at::empty({rows}, at::kFloat)};
  cpu::EmbeddingForward loop;
  loop.words = work.words.const_data_ptr<float>();
  loop.position_table = work.position_table.const_data_ptr<float>();
  loop.segment_table = work.segment_table.const_data_ptr<float>();
  loop.ids = pointer_or_null<std::int32_t>(work.ids);
  loop.positions = work.positions.const_data_ptr<std::int32_t>();
  loop.segments = work.segments.const_data_ptr<std::int32_t>();
  loop.places = work.places.const_data_ptr<std::int32_t>();
  loop.gain = work.gain.const_data_ptr<float>();
  loop.bias = work.bias.const_data_ptr<float>();
  loop.out = out.mutable_data_ptr<float>();
  loop.normalised = saved != nullptr ? saved->normalised.mutable_data_ptr<float>() : nullptr;
  loop.inverse = saved != nullptr ? saved->inverse.mutable_data_ptr<float>() : nullptr;
  loop.width = width;
  loop.epsilon = static_cast<float>(work.epsilon);
  loop.dropout = words_of(work.dropout);
  in_parts(rows, part_count(rows, kRowsOfAPart),
           [&](std::int64_t begin, std::int64_t end, std::int64_t) { functions.embedding_forward(loop, begin, end); });
  return out;
}

at::Tensor embedding_norm_backward(const at::Tensor& gradient, const EmbeddingNorm& work, const NormSaved& saved,
                                   const NormGradientSums& sums, const cpu::Functions& functions) {
  const at::Tensor result = at::empty_like(saved.normalised);
  cpu::NormBackward loop;
  loop.gradient = gradient.const_data_ptr<float>();
  loop.normalised = saved.normalised.const_data_ptr<float>();
  loop.inverse = saved.inverse.const_data_ptr<float>();
  loop.gain = work.gain.const_data_ptr<float>();
  loop.to_residual = result.mutable_data_ptr<float>();
  loop.width = saved.normalised.size(1);
  loop.dropout_on_output = true;
  loop.dropout = words_of(work.dropout);
  loop.places = work.places.const_data_ptr<std::int32_t>();
  loop.positions = work.positions.const_data_ptr<std::int32_t>();
  run_backward(loop, saved.normalised.size(0), sums, functions);
  return result;
}

}  // namespace dsd
