#include "losses/scores.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/base/error.h"
#include "kernels/gemm.h"

namespace dsd {

std::int64_t row_count(const Scores& scores) {
  const Tensor& rows = scores.dense.defined() ? scores.dense : scores.hidden;
  if (!rows.defined()) fail("this model has no head that scores a vocabulary");
  return rows.size(0);
}

const Tensor& head_matrix(const Scores& scores) {
  if (!scores.hidden.defined() || scores.weight == nullptr) fail("this model has no head that scores a vocabulary");
  return scores.weight->shadow.defined() ? scores.weight->shadow : scores.weight->master;
}

void multiply_out(const Scores& scores, std::int64_t begin, const Tensor& out) {
  const at::NoGradGuard no_gradients;
  const std::int64_t count = out.size(0), classes = out.size(1);
  if (scores.dense.defined()) {
    out.copy_(scores.dense.narrow(0, begin, count).narrow(1, 0, classes));
    return;
  }
  const Tensor& matrix = head_matrix(scores);
  const Tensor rows = scores.hidden.detach().narrow(0, begin, count).to(matrix.scalar_type()).contiguous();
  each_product(classes, out.device(), [&](std::int64_t from, std::int64_t width) {
    gemm(rows, matrix.narrow(0, from, width).t(), out.narrow(1, from, width), false);
  });
  if (scores.bias.defined()) out.add_(scores.bias.narrow(0, 0, classes));
}

Tensor tile_logits(const Scores& scores, std::int64_t begin, std::int64_t count) {
  const at::NoGradGuard no_gradients;
  const Tensor& source = scores.dense.defined() ? scores.dense : head_matrix(scores);
  const std::int64_t classes = scores.dense.defined() ? scores.dense.size(1) : scores.classes;
  Tensor logits =
      at::empty({count, classes},
                source.options().dtype(at::promoteTypes(source.scalar_type(), at::kFloat)).requires_grad(false));
  multiply_out(scores, begin, logits);
  if (scores.scale != 1) logits.mul_(scores.scale);
  if (scores.soft_cap > 0) logits.div_(scores.soft_cap).tanh_().mul_(scores.soft_cap);
  return logits;
}

}  // namespace dsd
