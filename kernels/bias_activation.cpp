#include "kernels/bias_activation.h"

#include "kernels/parallel.h"

namespace dsd {
namespace {

constexpr std::int64_t kRowsOfAPart = 8;

cpu::Curve curve_of(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return cpu::Curve::gelu;
    case Activation::gelu_tanh:
      return cpu::Curve::gelu_tanh;
    case Activation::relu:
      return cpu::Curve::relu;
    case Activation::silu:
      break;
  }
  return cpu::Curve::silu;
}

}  // namespace

at::Tensor bias_activation(const at::Tensor& values, const at::Tensor& bias, Activation activation, bool saves,
                           at::ScalarType type, const cpu::Functions& functions) {
  const std::int64_t rows = values.size(0);
  const bool in_place = !saves && type == at::kFloat;
  at::Tensor out = in_place ? values : at::empty(values.sizes(), type);
  cpu::ActivationForward loop;
  loop.values = values.mutable_data_ptr<float>();
  loop.bias = bias.const_data_ptr<float>();
  if (type == at::kBFloat16) {
    loop.out_bf16 = bf16_pointer(out);
  } else {
    loop.out = out.mutable_data_ptr<float>();
  }
  loop.width = values.size(1);
  loop.curve = curve_of(activation);
  loop.saves = saves;
  in_parts(rows, part_count(rows, kRowsOfAPart),
           [&](std::int64_t begin, std::int64_t end, std::int64_t) { functions.activation_forward(loop, begin, end); });
  return out;
}

at::Tensor bias_activation_backward(const at::Tensor& gradient, const at::Tensor& derivative, at::ScalarType type,
                                    const at::Tensor& bias_gradient, const cpu::Functions& functions) {
  const std::int64_t rows = gradient.size(0), width = gradient.size(1);
  at::Tensor out = type == at::kBFloat16 ? at::empty(gradient.sizes(), type) : gradient;
  cpu::ActivationBackward loop;
  loop.gradient = gradient.mutable_data_ptr<float>();
  loop.derivative = derivative.const_data_ptr<float>();
  loop.out_bf16 = type == at::kBFloat16 ? bf16_pointer(out) : nullptr;
  loop.width = width;
  const std::int64_t parts = part_count(rows, kRowsOfAPart);
  PartSums sums(parts, width);
  in_parts(rows, parts, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    functions.activation_backward(loop, sums.of(part), begin, end);
  });
  sums.fold(0, width, bias_gradient);
  return out;
}

}  // namespace dsd
