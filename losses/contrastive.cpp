#include "losses/contrastive.h"

#include <ATen/ATen.h>

#include "losses/pools.h"

namespace dsd {

Tensor Contrastive::sum(const LossInput& input) const {
  const Compared all = softened(input, config_.logits);
  // Through the logs: the slope of a root is infinite at 0.
  const auto unit = [&](const Tensor& log) { return (log / 2).exp().masked_fill(all.out, 0); };
  const Tensor student = unit(all.log_q), teacher = unit(all.log_p);
  std::vector<Tensor> told{at::zeros({0}, student.options())};
  for (const auto& [begin, end] : pools_of(input.batch)) {
    const std::int64_t count = end - begin;
    const Tensor alike = at::mm(student.narrow(0, begin, count), teacher.narrow(0, begin, count).t());  // [n, n]
    told.push_back(-at::log_softmax(alike / config_.contrast_temperature, -1).diagonal());
  }
  return total(at::cat(told), input);
}

}  // namespace dsd
