#include "kernels/gemm.h"

#include <ATen/ATen.h>

#include "tests/kernels/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

TEST_CASE("products of plain, transposed and narrowed operands, written or added") {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::ScalarType result = type == at::kBFloat16 ? at::kFloat : type;
    for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1},
                                                                          {5, 7, 3},
                                                                          {1, 9, 4},
                                                                          {33, 1, 16},
                                                                          {64, 48, 1},
                                                                          {1, 5, 200},
                                                                          {2, 7, 70},
                                                                          {3, 7, 100},
                                                                          {4, 9, 65},
                                                                          {8, 16, 130}}) {
      for (int way = 0; way < 16; ++way) {
        at::Tensor a = (way & 1) != 0 ? sample::numbers({k, m + 2}, 1).to(type).narrow(1, 1, m).t()
                                      : sample::numbers({m, k + 3}, 1).to(type).narrow(1, 2, k);
        at::Tensor b = (way & 2) != 0 ? sample::numbers({n, k}, 2).to(type).t() : sample::numbers({k, n}, 2).to(type);
        const at::Tensor start = sample::numbers({m, n + 4}, 3).to(result);
        const at::Tensor c = (way & 8) != 0 ? start.clone() : at::full_like(start, 7);
        const bool adds = (way & 4) != 0;
        const at::Tensor before = c.clone();
        gemm(a, b, c.narrow(1, 1, n), adds);
        at::Tensor expected = at::mm(a.to(at::kDouble), b.to(at::kDouble));
        if (adds) expected = expected + before.narrow(1, 1, n).to(at::kDouble);
        CHECK(sample::relative(c.narrow(1, 1, n), expected) < 1e-5);
        CHECK(at::equal(c.narrow(1, 0, 1), before.narrow(1, 0, 1)));
        CHECK(at::equal(c.narrow(1, n + 1, 3), before.narrow(1, n + 1, 3)));
      }
    }
  }
}
