#include "kernels/bias_activation.h"

#include <ATen/ATen.h>

#include "tests/kernels/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

at::Tensor exact(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::relu:
      return at::relu(x);
    case Activation::silu:
      break;
  }
  return at::silu(x);
}

}  // namespace

TEST_CASE("value, derivative and the bias's gradient of each activation") {
  sample::each_isa([](const cpu::Functions& functions) {
    for (const Activation activation : {Activation::gelu, Activation::gelu_tanh, Activation::relu, Activation::silu}) {
      for (const std::int64_t width : {1, 16, 37, 1200}) {
        const at::Tensor values = sample::numbers({19, width}, 1, 3), bias = sample::numbers({width}, 2);
        values[0].fill_(-200);  // far out on either side
        values[1].fill_(200);
        const at::Tensor x = (values.to(at::kDouble) + bias.to(at::kDouble)).requires_grad_();
        const at::Tensor expected = exact(x, activation);
        const at::Tensor gradient = sample::numbers({19, width}, 5);
        expected.backward(gradient.to(at::kDouble));

        const at::Tensor slope = values.clone();
        const at::Tensor out = bias_activation(slope, bias, activation, true, at::kFloat, functions);
        CHECK((out.to(at::kDouble) - expected).abs().max().item<double>() < 2e-6 * 20);
        CHECK(((out.to(at::kDouble) - expected) / (1 + x.abs())).abs().max().item<double>() < 5e-7);
        const at::Tensor d_bias = at::ones({width});
        const at::Tensor d = bias_activation_backward(gradient.clone(), slope, at::kFloat, d_bias, functions);
        CHECK(sample::relative(d, x.grad()) < 2e-6);
        CHECK(sample::relative(d_bias, x.grad().sum(0) + 1) < 5e-6);

        const at::Tensor frozen = bias_activation(values.clone(), bias, activation, false, at::kFloat, functions);
        CHECK(at::equal(frozen, out));
        const at::Tensor rounded = bias_activation(values.clone(), bias, activation, true, at::kBFloat16, functions);
        CHECK(at::equal(rounded, out.to(at::kBFloat16)));
        const at::Tensor d_rounded =
            bias_activation_backward(gradient.clone(), slope, at::kBFloat16, at::Tensor(), functions);
        CHECK(at::equal(d_rounded, d.to(at::kBFloat16)));
      }
    }
  });
}
