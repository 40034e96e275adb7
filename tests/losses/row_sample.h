#pragma once
// A loss on dense rows, evaluated and compared with central differences: what the tests of losses share.

#include <cmath>

#include "losses/loss.h"
#include "tests/check.h"

namespace dsd::sample {

using at::Tensor;

// Of §4.9's golden values: z_T, z_S; the label is class 0.
inline Tensor golden_teacher() { return at::tensor({2.0, 1.0, 0.0, -1.0, 0.5}, at::kDouble).unsqueeze(0); }
inline Tensor golden_student() { return at::tensor({1.0, 1.5, -0.5, 0.0, 0.25}, at::kDouble).unsqueeze(0); }

inline Labels classes(std::vector<int> of) { return Classes{at::tensor(of, at::kInt)}; }

// All rows are one pool unless others are given.
inline Batch batch_of(std::int64_t rows, Labels labels, std::vector<std::int64_t> pools = {}) {
  Batch batch;
  batch.rows = {at::arange(rows, at::kInt)};
  batch.labels = std::move(labels);
  batch.pools = pools.empty() ? std::vector<std::int64_t>{0, rows} : std::move(pools);
  return batch;
}

inline Tensor evaluate(const Loss& loss, const Tensor& student, const Tensor& teacher, const Batch& batch,
                       double temperature) {
  Outputs outputs;
  outputs.heads.push_back({.dense = student});
  TeacherOutputs target;
  if (teacher.defined()) target.heads.push_back(Scores{.dense = teacher});
  return loss.sum({.student = {&outputs, 1},
                   .teachers = {&target, teacher.defined() ? 1u : 0u},
                   .batch = batch,
                   .temperature = temperature,
                   .progress = {}});
}

inline double value_of(const Loss& loss, const Tensor& student, const Tensor& teacher, const Batch& batch,
                       double temperature) {
  return evaluate(loss, student, teacher, batch, temperature).item<double>();
}

inline Tensor gradient_of(const Loss& loss, const Tensor& student, const Tensor& teacher, const Batch& batch,
                          double temperature) {
  const Tensor leaf = student.clone().requires_grad_();
  evaluate(loss, leaf, teacher, batch, temperature).backward();
  return leaf.grad();
}

inline void check_gradient(const Loss& loss, const Tensor& student, const Tensor& teacher, const Batch& batch,
                           double temperature) {
  CAPTURE(loss.name());
  const Tensor gradient = gradient_of(loss, student, teacher, batch, temperature);
  const double step = 1e-6;
  for (std::int64_t i = 0; i < student.numel(); ++i) {
    const auto moved = [&](double by) {
      Tensor changed = student.clone();
      changed.view(-1)[i] += by;
      return value_of(loss, changed, teacher, batch, temperature);
    };
    const double difference = (moved(step) - moved(-step)) / (2 * step);
    CHECK(gradient.view(-1)[i].item<double>() == doctest::Approx(difference).epsilon(1e-6));
  }
}

}  // namespace dsd::sample
