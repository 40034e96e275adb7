#pragma once
// What the losses on rows of logits share: the dense logits of both sides, in fp32 at least, checked to agree, and what
// is done to them before they are compared.

#include "losses/compared.h"
#include "losses/loss.h"

namespace dsd {

double row_count(const Batch& batch);  // rows that the first head reads

Tensor student_logits(const LossInput& input);  // [N, C] of the clean pass
Tensor teacher_logits(const LossInput& input);  // [N, C] of the first teacher; Error when the classes differ
Tensor class_labels(const LossInput& input);    // [N] int32, -1 none; Error where the task has no classes

// Each row of logits less its mean, by its standard deviation (over n - 1) plus 1e-7 (logit standardisation, Sun et al.
// 2024, "Logit standardization in knowledge distillation", arXiv:2403.01427), on both sides, over the classes that
// neither masks; a row of equal logits is 0. The gradient goes through mean and deviation.
void standardise(Tensor& student, Tensor& teacher);

// Both sides at the temperature in force, standardised and corrected as `config` says.
Compared softened(const LossInput& input, const LogitsConfig& config);

// The losses that soften: name, count and factor, which hang on settings alone. `Base` is RowLoss where a head over a
// vocabulary evaluates the loss too.
template <class Config, class Base = RowLoss>
class SoftenedLoss : public Base {
 public:
  explicit SoftenedLoss(const Config& config) : config_(config) {}
  std::string_view name() const final { return Config::kind; }
  Wanted student_wants() const final { return {}; }
  Wanted teacher_wants() const final { return {}; }
  double count(const Batch& batch) const final { return row_count(batch); }
  double factor(double temperature) const final { return squares() ? temperature * temperature : 1.0; }

 protected:
  // Of the losses of rows [N].
  Tensor total(const Tensor& rows, const LossInput& input) const {
    return sum_rows(rows, input.temperature, squares());
  }

  Config config_;

 private:
  bool squares() const {
    if constexpr (requires { config_.t_squared; }) return config_.t_squared;
    else return false;
  }
};

}  // namespace dsd
