#include "losses/moments.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/base/error.h"

namespace dsd {
namespace {

void accumulate(Tensor& total, const Tensor& more) {
  if (total.defined()) total.add_(more);
  else total = more.clone();
}

}  // namespace

void Moments::add(const Tensor& x, const Tensor& y) {
  const at::NoGradGuard no_grad;
  const Tensor a = x.detach().to(at::kCPU, at::kDouble), b = y.detach().to(at::kCPU, at::kDouble);
  count_ += static_cast<double>(a.size(0));
  accumulate(sum_x_, a.sum(0));
  accumulate(sum_y_, b.sum(0));
  accumulate(xx_, at::mm(a.t(), a));
  accumulate(xy_, at::mm(a.t(), b));
  accumulate(yy_, at::mm(b.t(), b));
}

void Moments::add(const Moments& other) {
  if (other.count_ == 0) return;
  count_ += other.count_;
  accumulate(sum_x_, other.sum_x_);
  accumulate(sum_y_, other.sum_y_);
  accumulate(xx_, other.xx_);
  accumulate(xy_, other.xy_);
  accumulate(yy_, other.yy_);
}

Tensor Moments::covariance(const Tensor& products, const Tensor& left, const Tensor& right) const {
  return products / count_ - at::outer(left, right) / (count_ * count_);
}

double Moments::similarity() const {
  if (count_ == 0) fail("a similarity needs rows to compare");
  const auto norm = [](const Tensor& matrix) { return matrix.square().sum().sqrt().item<double>(); };
  const double cross = norm(covariance(xy_, sum_x_, sum_y_));
  const double own = norm(covariance(xx_, sum_x_, sum_x_)) * norm(covariance(yy_, sum_y_, sum_y_));
  return own > 0 ? cross * cross / own : 0;
}

Tensor Moments::principal_directions(std::int64_t count) const {
  if (count_ == 0) fail("principal directions need rows to be found in");
  const Tensor vectors = std::get<1>(at::linalg_eigh(covariance(yy_, sum_y_, sum_y_)));  // columns, smallest first
  const Tensor rows = vectors.flip(1).t().narrow(0, 0, count).contiguous();
  const Tensor largest = rows.gather(1, rows.abs().argmax(1, true));  // [count, 1]
  return rows * at::where(largest < 0, -at::ones_like(largest), at::ones_like(largest));
}

}  // namespace dsd
