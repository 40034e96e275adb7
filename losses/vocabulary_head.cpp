#include "losses/vocabulary_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include "core/base/error.h"
#include "core/types/dense_gradient.h"
#include "kernels/gemm.h"
#include "losses/scores.h"

namespace dsd {
namespace {

// Hands the gradient that the walk has made to the hidden states.
class VocabularyNode : public torch::autograd::Node {
 public:
  explicit VocabularyNode(Tensor gradient) : gradient_(std::move(gradient)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    if (!gradient_.defined()) fail("the backward of a loss over a vocabulary ran twice");
    // The weight's gradient was added during the walk: nothing may scale it any more.
    if (gradients[0].item<double>() != 1) fail("a loss over a vocabulary takes its weights before its walk, not after");
    return {std::move(gradient_)};
  }

 private:
  Tensor gradient_;
};

// Buffers of one size, kept from call to call: mapping them anew costs more than the losses themselves.
Tensor buffer(std::int64_t rows, std::int64_t classes, at::Device device, int which) {
  thread_local Tensor kept[2];
  Tensor& memory = kept[which];
  const std::int64_t needed = rows * classes;
  if (!memory.defined() || memory.numel() < needed || memory.device() != device) {
    memory = Tensor();  // never both at once
    memory = at::empty({needed}, at::TensorOptions(at::kFloat).device(device));
  }
  return memory.narrow(0, 0, needed).view({rows, classes});
}

double value_of(const VocabularyTotals& totals, const VocabularyTerms& terms) {
  double value = 0;
  each_loss(terms, totals, [&](float coefficient, double total) {
    // What a term does not ask for is not summed.
    if (coefficient != 0) value += static_cast<double>(coefficient) * total;
  });
  return value;
}

// One tile's gradient multiplied back.
struct Backward {
  const Scores& student;
  Tensor hidden;  // [N, H] fp32, undefined: not wanted
  Tensor weight;  // [V, H], undefined: frozen
  Tensor bias;    // [V]
  bool wanted() const { return hidden.defined() || weight.defined() || bias.defined(); }

  void add(const Tensor& gradient, std::int64_t first) const {
    const std::int64_t count = gradient.size(0), classes = gradient.size(1);
    const Tensor matrix = head_matrix(student).detach();
    const Tensor rows = student.hidden.detach().narrow(0, first, count).to(gradient.scalar_type()).contiguous();
    each_product(classes, gradient.device(), [&](std::int64_t from, std::int64_t width) {
      const Tensor part = gradient.narrow(1, from, width);
      if (hidden.defined()) gemm(part, matrix.narrow(0, from, width), hidden.narrow(0, first, count), from > 0);
      if (weight.defined()) gemm(part.t(), rows, weight.narrow(0, from, width), true);
    });
    if (bias.defined()) bias.narrow(0, 0, classes).add_(gradient.sum(0, false, at::kFloat));
  }
};

Backward backward_of(const Scores& student, bool grad_mode) {
  Backward backward{student, {}, {}, {}};
  if (!grad_mode) return backward;
  if (student.hidden.requires_grad())
    backward.hidden = at::empty(student.hidden.sizes(), student.hidden.options().dtype(at::kFloat));
  if (student.weight->master.defined() && student.weight->master.requires_grad())
    backward.weight = dense_gradient(student.weight->master);
  if (student.bias.defined() && student.bias.requires_grad()) backward.bias = dense_gradient(student.bias);
  return backward;
}

// Rows first ... first + count of the teacher, as the tile's own.
void set_teacher(VocabularyTile& tile, const CheckedTeacher& teacher, std::int64_t first, std::int64_t count) {
  const at::Device device = tile.student.device();
  if (teacher.scores != nullptr) {
    tile.teacher = buffer(count, tile.student.size(1), device, 1);
    multiply_out(*teacher.scores, first, tile.teacher);
    tile.teacher_scale = teacher.scores->scale, tile.teacher_soft_cap = teacher.scores->soft_cap;
  }
  if (teacher.top != nullptr) {
    tile.top_ids = teacher.top->ids.narrow(0, first, count).to(device, at::kInt).contiguous();
    tile.top_log_p = teacher.top->log_p.narrow(0, first, count).to(device, at::kFloat).contiguous();
    tile.top_log_tail = teacher.top->log_tail.narrow(0, first, count).to(device, at::kFloat).contiguous();
  }
}

void set_rule(VocabularyTile& tile, const VocabularyWork& work, std::int64_t first, std::int64_t count) {
  tile.rule = work.rule;
  if (work.rule.measure == RowMeasure::none) return;
  tile.temperatures = work.temperatures.narrow(0, first, count);
  tile.difficulties = work.difficulties.narrow(0, first, count);
}

VocabularyTotals walk(const VocabularyWork& work, const CheckedTeacher& teacher, const Backward& backward) {
  const Scores& student = *work.student;
  const std::int64_t rows = student.hidden.size(0), classes = class_count(student);
  VocabularyTotals all;
  for (std::int64_t first = 0; first < rows; first += work.tile_rows) {
    const std::int64_t count = std::min(work.tile_rows, rows - first);
    VocabularyTile tile{.student = buffer(count, classes, student.hidden.device(), 0), .terms = work.terms};
    multiply_out(student, first, tile.student);
    tile.scale = student.scale, tile.soft_cap = student.soft_cap;
    set_teacher(tile, teacher, first, count);
    set_rule(tile, work, first, count);
    if (work.labels.defined()) tile.labels = work.labels.narrow(0, first, count).to(at::kInt).contiguous();
    tile.wants_gradient = backward.wanted();
    tile.bf16 = head_matrix(student).scalar_type() == at::kBFloat16;
    all += vocabulary_rows(tile);
    if (backward.wanted()) backward.add(gradient_of(tile), first);
  }
  return all;
}

}  // namespace

Tensor vocabulary_loss(const VocabularyWork& work, VocabularyTotals* totals) {
  const Scores& student = *work.student;
  if (!student.hidden.defined()) fail("a walk over a vocabulary takes hidden states and the head's weight");
  const CheckedTeacher teacher = checked_teacher(work);
  if (student.hidden.scalar_type() == at::kDouble) return plain::vocabulary_loss(work, totals);
  const Backward backward = backward_of(student, c10::GradMode::is_enabled());
  const at::NoGradGuard no_grad;
  const VocabularyTotals all = walk(work, teacher, backward);
  if (totals != nullptr) *totals = all;
  Tensor loss =
      at::scalar_tensor(value_of(all, work.terms), at::TensorOptions(at::kFloat).device(student.hidden.device()));
  if (backward.hidden.defined()) {
    const auto node = std::make_shared<VocabularyNode>(backward.hidden.to(student.hidden.scalar_type()));
    node->set_next_edges(torch::autograd::collect_next_edges(student.hidden));
    torch::autograd::set_history(loss, node);
  } else if (backward.wanted()) {
    loss.set_requires_grad(true);  // what is trained has its gradient: a backward finds nothing more to do
  }
  return loss;
}

}  // namespace dsd
