#pragma once
// First and second moments of paired rows, summed in double: what principal directions and the similarity of two
// layers' states follow from. A cut of the rows changes nothing but rounding.

#include <ATen/core/Tensor.h>

namespace dsd {

using at::Tensor;

class Moments {
 public:
  void add(const Tensor& x, const Tensor& y);  // [T, X], [T, Y], any dtype and device
  void add(const Moments& other);

  double count() const { return count_; }
  Tensor mean_x() const { return sum_x_ / count_; }  // [X] float64, on the host
  Tensor mean_y() const { return sum_y_ / count_; }

  // Linear centred kernel alignment (Kornblith et al. 2019, arXiv:1905.00414): 1 where one is a rotation and scaling of
  // the other, 0 where they have nothing to do with each other. |Cxy|^2 / (|Cxx| |Cyy|), Frobenius norms of
  // covariances; 0 where one side is constant.
  double similarity() const;

  // The `count` directions of the largest variance of y, [count, Y] float64 with orthonormal rows, largest first; each
  // one's largest component is positive, so that the same rows give the same directions.
  Tensor principal_directions(std::int64_t count) const;

 private:
  Tensor covariance(const Tensor& products, const Tensor& left, const Tensor& right) const;

  double count_ = 0;
  Tensor sum_x_, sum_y_;  // [X], [Y]
  Tensor xx_, xy_, yy_;   // [X, X], [X, Y], [Y, Y]
};

}  // namespace dsd
