#include <ATen/ATen.h>

#include "tests/blocks/sample.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

TEST_CASE("the rows of a table, and the sum of their gradients") {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const Weight table = sample::weight({6, 3}, 1, 4, type, false);
    const Tensor ids = at::tensor({4, 1, 4}, at::kInt);
    const Tensor rows = look_up(table, ids);
    CHECK(at::equal(rows, table.master.detach().index_select(0, ids)));
    (rows * at::tensor({1, 2, 5}).to(type).view({3, 1})).sum().backward();
    const Tensor expected = at::tensor({0, 2, 0, 0, 6, 0}).to(type).view({6, 1}).expand({6, 3});
    CHECK(at::equal(table.master.grad(), expected));
  }
}
