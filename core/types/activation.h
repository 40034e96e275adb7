#pragma once
// The non-linearity between an MLP's two products, as a config names it and as the kernels compute it.

namespace dsd {

enum class Activation { gelu /*by the error function*/, gelu_tanh, relu, silu };

}  // namespace dsd
