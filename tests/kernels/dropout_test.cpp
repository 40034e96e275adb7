#include "kernels/dropout.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "tests/kernels/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

TEST_CASE("the probability is a whole number of 65536ths, and what is kept is scaled by it exactly") {
  CHECK(!make_dropout(0, {}).active());
  CHECK(make_dropout(0.5, {}).scale() == 2.0);
  CHECK(make_dropout(0.1, {}).threshold == 6554);
  CHECK(make_dropout(0.1, {}).scale() == 65536.0 / 58982.0);
}

TEST_CASE("masks drop their share, and differ by place, position, column and key") {
  const Dropout dropout = make_dropout(0.1, {.seed = 3, .purpose = Purpose::dropout});
  const at::Tensor places = at::arange(64, at::kInt), positions = at::arange(64, at::kInt).remainder(7).to(at::kInt);
  const at::Tensor mask = dropout_mask(dropout, places, positions, 300, at::kDouble);
  // Ten thousandths either side are five deviations of the mean of 19,200 draws.
  CHECK(std::abs((mask == 0).to(at::kDouble).mean().item<double>() - 0.1) < 0.011);
  CHECK(std::abs(mask.mean().item<double>() - 1) < 0.012);
  const auto agreement = [](const at::Tensor& a, const at::Tensor& b) {
    return (a == b).to(at::kDouble).mean().item<double>();
  };
  const double chance = 0.82;  // two masks that know nothing of each other agree on 0.9^2 + 0.1^2
  const Dropout other = make_dropout(0.1, {.seed = 3, .purpose = Purpose::dropout, .layer = 1});
  CHECK(std::abs(agreement(mask, dropout_mask(dropout, places + 64, positions, 300, at::kDouble)) - chance) < 0.02);
  CHECK(std::abs(agreement(mask, dropout_mask(dropout, places, positions + 7, 300, at::kDouble)) - chance) < 0.02);
  CHECK(std::abs(agreement(mask, dropout_mask(other, places, positions, 300, at::kDouble)) - chance) < 0.02);
  CHECK(std::abs(agreement(mask.narrow(1, 0, 150), mask.narrow(1, 150, 150)) - chance) < 0.03);
}

TEST_CASE("a row's mask depends on the row alone, a probability's on its place in the sequence") {
  const Dropout dropout = make_dropout(0.4, {.seed = 8});
  const at::Tensor places = at::tensor({4, 4, 9}, at::kInt), positions = at::tensor({0, 1, 5}, at::kInt);
  const at::Tensor all = dropout_mask(dropout, places, positions, 200, at::kFloat);
  const at::Tensor one = dropout_mask(dropout, places.narrow(0, 2, 1), positions.narrow(0, 2, 1), 70, at::kFloat);
  CHECK(at::equal(all.narrow(0, 2, 1).narrow(1, 0, 70), one));
  const at::Tensor wide = attention_dropout_mask(dropout, at::tensor({2, 7}, at::kInt),
                                                 at::arange(20, at::kInt).repeat({2, 1}), 3, 20, at::kFloat);
  const at::Tensor narrow = attention_dropout_mask(dropout, at::tensor({7}, at::kInt),
                                                   at::tensor({13}, at::kInt).view({1, 1}), 2, 9, at::kFloat);
  CHECK(at::equal(wide[1].narrow(0, 0, 2).narrow(1, 13, 1).narrow(2, 0, 9), narrow[0]));
}

TEST_CASE("rounding to bf16 is LibTorch's, ties, infinities and not-a-number included") {
  std::vector<float> special{0.0f,
                             -0.0f,
                             1.0f,
                             std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity(),
                             1.00390625f,
                             1.01171875f,
                             std::numeric_limits<float>::max(),
                             1e-40f,
                             -3.14159f};
  const at::Tensor values = at::cat({at::tensor(special), sample::numbers({1000}, 3)});
  sample::each_isa([&](const cpu::Functions& functions) {
    at::Tensor rounded = at::zeros({values.size(0)}, at::kBFloat16);
    functions.round_to_bf16(values.const_data_ptr<float>(), static_cast<std::uint16_t*>(rounded.mutable_data_ptr()),
                            values.size(0));
    CHECK(at::equal(rounded, values.to(at::kBFloat16)));
    const at::Tensor none = at::full({3}, std::nanf(""));
    functions.round_to_bf16(none.const_data_ptr<float>(), static_cast<std::uint16_t*>(rounded.mutable_data_ptr()), 3);
    CHECK(rounded.narrow(0, 0, 3).isnan().all().item<bool>());
  });
}
