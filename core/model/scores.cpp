#include "core/model/scores.h"

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

Tensor tile_logits(const Scores& scores, std::int64_t begin, std::int64_t count) {
  const at::NoGradGuard no_gradients;
  Tensor logits;
  if (scores.dense.defined()) {
    const Tensor tile = scores.dense.narrow(0, begin, count);
    logits = tile.to(at::promoteTypes(tile.scalar_type(), at::kFloat), false, true);
  } else {
    if (!scores.hidden.defined() || scores.weight == nullptr) fail("this model has no head that scores a vocabulary");
    const Weight& weight = *scores.weight;
    const Tensor matrix = (weight.shadow.defined() ? weight.shadow : weight.master).narrow(0, 0, scores.classes);
    const Tensor hidden = scores.hidden.detach().narrow(0, begin, count).to(matrix.scalar_type()).contiguous();
    logits =
        at::empty({count, scores.classes}, hidden.options().dtype(at::promoteTypes(matrix.scalar_type(), at::kFloat)));
    gemm(hidden, matrix.t(), logits, false);
    if (scores.bias.defined()) logits.add_(scores.bias.narrow(0, 0, scores.classes));
  }
  if (scores.scale != 1) logits.mul_(scores.scale);
  if (scores.soft_cap > 0) logits.div_(scores.soft_cap).tanh_().mul_(scores.soft_cap);
  return logits;
}

}  // namespace dsd
