#include "kernels/decoder_rows.h"

#include "kernels/parallel.h"

namespace dsd {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements that are worth a thread

std::int64_t parts_for(std::int64_t rows, std::int64_t width) {
  return std::min(part_count(rows * width, kGrain), std::max<std::int64_t>(rows, 1));
}

template <class Work>
void set_output(const at::Tensor& out, Work& work) {
  if (out.scalar_type() == at::kBFloat16) work.out_bf16 = bf16_pointer(out);
  else work.out = out.mutable_data_ptr<float>();
}

}  // namespace

at::Tensor scale_norm(const at::Tensor& x, const at::Tensor& gain, double epsilon, at::ScalarType type,
                      at::Tensor* inverse, const cpu::Functions& functions) {
  const std::int64_t rows = x.size(0), width = x.size(1);
  at::Tensor out = at::empty({rows, width}, type);
  cpu::ScaleNormForward work{.x = x.const_data_ptr<float>(), .gain = gain.const_data_ptr<float>()};
  work.width = width;
  work.epsilon = static_cast<float>(epsilon);
  set_output(out, work);
  if (inverse != nullptr) {
    *inverse = at::empty({rows}, at::kFloat);
    work.inverse = inverse->mutable_data_ptr<float>();
  }
  in_parts(rows, parts_for(rows, width),
           [&](std::int64_t begin, std::int64_t end, std::int64_t) { functions.scale_norm_forward(work, begin, end); });
  return out;
}

void scale_norm_backward(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& gain,
                         const at::Tensor& inverse, const at::Tensor& to_x, const at::Tensor& to_gain,
                         const cpu::Functions& functions) {
  const std::int64_t rows = x.size(0), width = x.size(1);
  const cpu::ScaleNormBackward work{.gradient = gradient.const_data_ptr<float>(),
                                    .x = x.const_data_ptr<float>(),
                                    .inverse = inverse.const_data_ptr<float>(),
                                    .gain = gain.const_data_ptr<float>(),
                                    .to_x = to_x.mutable_data_ptr<float>(),
                                    .width = width};
  const std::int64_t parts = parts_for(rows, width);
  PartSums sums(parts, width);
  in_parts(rows, parts, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    functions.scale_norm_backward(work, sums.of(part), begin, end);
  });
  sums.fold(0, width, to_gain);
}

void rotate(const at::Tensor& values, std::int64_t heads, const at::Tensor& positions, const RotaryTable& table,
            bool backwards, const cpu::Functions& functions) {
  const std::int64_t rows = values.size(0);
  const cpu::Rotation work{.values = values.mutable_data_ptr<float>(),
                           .stride = values.stride(0),
                           .heads = heads,
                           .head_width = values.size(1) / heads,
                           .positions = positions.const_data_ptr<std::int32_t>(),
                           .cosine = table.cosine.const_data_ptr<float>(),
                           .sine = table.sine.const_data_ptr<float>(),
                           .backwards = backwards};
  in_parts(rows, parts_for(rows, values.size(1)), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    cpu::Rotation own = work;
    own.values += begin * work.stride;
    own.positions += begin;
    functions.rotate(own, 0, end - begin);
  });
}

at::Tensor gated(const at::Tensor& gate_up, at::ScalarType type, const cpu::Functions& functions) {
  const std::int64_t rows = gate_up.size(0), width = gate_up.size(1) / 2;
  at::Tensor out = at::empty({rows, width}, type);
  cpu::GateForward work{.gate_up = gate_up.const_data_ptr<float>()};
  work.width = width;
  set_output(out, work);
  in_parts(rows, parts_for(rows, width),
           [&](std::int64_t begin, std::int64_t end, std::int64_t) { functions.gate_forward(work, begin, end); });
  return out;
}

void gated_backward(const at::Tensor& gradient, const at::Tensor& gate_up, const cpu::Functions& functions) {
  const std::int64_t rows = gate_up.size(0), width = gate_up.size(1) / 2;
  const cpu::GateBackward work{
      .gate_up = gate_up.mutable_data_ptr<float>(), .gradient = gradient.const_data_ptr<float>(), .width = width};
  in_parts(rows, parts_for(rows, width),
           [&](std::int64_t begin, std::int64_t end, std::int64_t) { functions.gate_backward(work, begin, end); });
}

}  // namespace dsd
