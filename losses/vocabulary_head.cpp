#include "losses/vocabulary_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include "core/base/error.h"
#include "kernels/gemm.h"

namespace dsd {
namespace {

const Tensor& matrix_of(const Scores& scores) {
  const Weight& weight = *scores.weight;
  return weight.shadow.defined() ? weight.shadow : weight.master;
}

// Products of rows with the vocabulary, [count, V] fp32 in `out`, biased and not yet scaled. Dense scores are copied.
void multiply_out(const Scores& scores, std::int64_t first, std::int64_t count, const Tensor& out) {
  if (!scores.hidden.defined()) {
    out.copy_(scores.dense.narrow(0, first, count));
    return;
  }
  const Tensor matrix = matrix_of(scores).narrow(0, 0, scores.classes);
  gemm(scores.hidden.detach().narrow(0, first, count).to(matrix.scalar_type()), matrix.t(), out, false);
  if (scores.bias.defined()) out.add_(scores.bias.detach().narrow(0, 0, scores.classes));
}

Tensor gradient_buffer(const Tensor& master) {
  Tensor& gradient = master.mutable_grad();
  if (!gradient.defined()) gradient = at::zeros_like(master, at::MemoryFormat::Contiguous);
  return gradient;
}

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

const Scores* teacher_scores(const VocabularyWork& work) {
  if (work.teacher == nullptr) return nullptr;
  const auto* scores = std::get_if<Scores>(work.teacher);
  if (scores == nullptr) fail("losses over a vocabulary need the teacher's hidden states or scores, not its top-k");
  if (scores->classes != work.student->classes)
    fail("the teacher's vocabulary has {} tokens and the student's {}; both must be of one tokenizer", scores->classes,
         work.student->classes);
  return scores;
}

// Buffers of one size, kept from call to call: mapping them anew costs more than the losses themselves.
Tensor buffer(std::int64_t rows, std::int64_t classes, at::Device device, int which) {
  thread_local Tensor kept[2];
  Tensor& memory = kept[which];
  const std::int64_t needed = rows * classes;
  if (!memory.defined() || memory.numel() < needed || memory.device() != device)
    memory = at::empty({needed}, at::TensorOptions(at::kFloat).device(device));
  return memory.narrow(0, 0, needed).view({rows, classes});
}

double value_of(const VocabularyTotals& totals, const VocabularyTerms& terms) {
  return static_cast<double>(terms.forward) * totals.forward + static_cast<double>(terms.reverse) * totals.reverse +
         static_cast<double>(terms.jensen_shannon) * totals.jensen_shannon +
         static_cast<double>(terms.cross_entropy) * totals.cross_entropy;
}

// One tile's gradient multiplied back.
struct Backward {
  const Scores& student;
  Tensor hidden;  // [N, H], undefined: not wanted
  Tensor weight;  // [V, H], undefined: frozen
  Tensor bias;    // [V]
  bool wanted() const { return hidden.defined() || weight.defined() || bias.defined(); }

  void add(const Tensor& gradient, std::int64_t first) const {
    const std::int64_t count = gradient.size(0);
    const Tensor matrix = matrix_of(student).narrow(0, 0, student.classes);
    if (hidden.defined()) gemm(gradient, matrix, hidden.narrow(0, first, count), false);
    if (weight.defined()) {
      const Tensor rows = student.hidden.detach().narrow(0, first, count).to(gradient.scalar_type());
      gemm(gradient.t(), rows, weight.narrow(0, 0, student.classes), true);
    }
    if (bias.defined()) bias.narrow(0, 0, student.classes).add_(gradient.sum(0, false, at::kFloat));
  }
};

Backward backward_of(const Scores& student, bool grad_mode) {
  Backward backward{student, {}, {}, {}};
  if (!grad_mode) return backward;
  if (student.hidden.requires_grad()) backward.hidden = at::empty_like(student.hidden, at::MemoryFormat::Contiguous);
  if (student.weight->master.defined() && student.weight->master.requires_grad())
    backward.weight = gradient_buffer(student.weight->master);
  if (student.bias.defined() && student.bias.requires_grad()) backward.bias = gradient_buffer(student.bias);
  return backward;
}

VocabularyTotals walk(const VocabularyWork& work, const Scores* teacher, const Backward& backward) {
  const Scores& student = *work.student;
  const std::int64_t rows = student.hidden.size(0), tile_rows = std::min(work.tile_rows, rows);
  VocabularyTotals all;
  for (std::int64_t first = 0; first < rows; first += tile_rows) {
    const std::int64_t count = std::min(tile_rows, rows - first);
    VocabularyTile tile{.student = buffer(count, student.classes, student.hidden.device(), 0), .terms = work.terms};
    multiply_out(student, first, count, tile.student);
    tile.scale = student.scale, tile.soft_cap = student.soft_cap;
    if (teacher != nullptr) {
      tile.teacher = buffer(count, student.classes, student.hidden.device(), 1);
      multiply_out(*teacher, first, count, tile.teacher);
      tile.teacher_scale = teacher->scale, tile.teacher_soft_cap = teacher->soft_cap;
    }
    if (work.labels.defined()) tile.labels = work.labels.narrow(0, first, count);
    tile.wants_gradient = backward.wanted();
    tile.bf16 = matrix_of(student).scalar_type() == at::kBFloat16;
    const VocabularyTotals totals = vocabulary_rows(tile);
    all.forward += totals.forward;
    all.reverse += totals.reverse;
    all.jensen_shannon += totals.jensen_shannon;
    all.cross_entropy += totals.cross_entropy;
    if (backward.wanted()) backward.add(gradient_of(tile), first);
  }
  return all;
}

}  // namespace

Tensor vocabulary_loss(const VocabularyWork& work, VocabularyTotals* totals) {
  const Scores& student = *work.student;
  if (!student.hidden.defined()) fail("a walk over a vocabulary takes hidden states and the head's weight");
  const bool needs_teacher = work.terms.forward != 0 || work.terms.reverse != 0 || work.terms.jensen_shannon != 0;
  const Scores* teacher = needs_teacher ? teacher_scores(work) : nullptr;
  if (needs_teacher && teacher == nullptr) fail("a loss against a teacher needs a teacher");
  if (student.hidden.scalar_type() != at::kFloat) return plain::vocabulary_loss(work, totals);
  const Backward backward = backward_of(student, c10::GradMode::is_enabled());
  const at::NoGradGuard no_grad;
  const VocabularyTotals all = walk(work, teacher, backward);
  if (totals != nullptr) *totals = all;
  Tensor loss = at::scalar_tensor(value_of(all, work.terms), student.hidden.options().requires_grad(false));
  if (backward.hidden.defined()) {
    const auto node = std::make_shared<VocabularyNode>(backward.hidden);
    node->set_next_edges(torch::autograd::collect_next_edges(student.hidden));
    torch::autograd::set_history(loss, node);
  }
  return loss;
}

Tensor dense_rows(const Scores& scores, std::int64_t first, std::int64_t count) {
  Tensor logits;
  if (scores.dense.defined()) {
    logits = scores.dense.narrow(0, first, count);
  } else {
    const Weight& weight = *scores.weight;
    const Tensor matrix = (weight.master.defined() ? weight.master : weight.shadow).narrow(0, 0, scores.classes);
    logits = at::linear(scores.hidden.narrow(0, first, count), matrix.to(scores.hidden.scalar_type()));
    if (scores.bias.defined()) logits = logits + scores.bias.narrow(0, 0, scores.classes);
  }
  if (scores.scale != 1) logits = logits * scores.scale;
  if (scores.soft_cap > 0) logits = at::tanh(logits / scores.soft_cap) * scores.soft_cap;
  return at::isReducedFloatingType(logits.scalar_type()) ? logits.to(at::kFloat) : logits;
}

namespace plain {

Tensor vocabulary_loss(const VocabularyWork& work, VocabularyTotals* totals) {
  const Scores& student = *work.student;
  const VocabularyTerms& terms = work.terms;
  const std::int64_t rows = student.hidden.size(0);
  const Tensor logits = dense_rows(student, 0, rows);
  Tensor loss = at::zeros({}, logits.options());
  VocabularyTotals all;
  const auto add = [&](float coefficient, const Tensor& sum, double& total) {
    total = sum.item<double>();
    if (coefficient != 0) loss = loss + sum * static_cast<double>(coefficient);
  };
  const Scores* teacher = teacher_scores(work);
  if (teacher != nullptr) {
    const double beta = static_cast<double>(terms.teacher_share),
                 inverse = static_cast<double>(terms.inverse_temperature);
    const Tensor log_p = at::log_softmax(dense_rows(*teacher, 0, rows).to(logits.options()) * inverse, -1);
    const Tensor log_q = at::log_softmax(logits * inverse, -1);
    const Tensor p = log_p.exp(), q = log_q.exp(), log_m = (p * beta + q * (1 - beta)).log();
    const auto divergence = [](const Tensor& a, const Tensor& log_a, const Tensor& log_b) {
      return (a * (log_a - log_b)).masked_fill(a == 0, 0).sum();
    };
    add(terms.forward, divergence(p, log_p, log_q), all.forward);
    add(terms.reverse, divergence(q, log_q, log_p), all.reverse);
    add(terms.jensen_shannon, divergence(p, log_p, log_m) * beta + divergence(q, log_q, log_m) * (1 - beta),
        all.jensen_shannon);
  }
  if (work.labels.defined()) {
    const Tensor log_q = at::log_softmax(logits, -1), known = work.labels >= 0;
    const double smoothing = static_cast<double>(terms.label_smoothing);
    const Tensor own = log_q.gather(-1, work.labels.clamp_min(0).to(at::kLong).unsqueeze(-1)).squeeze(-1);
    const Tensor row = own * -(1 - smoothing) - log_q.mean(-1) * smoothing;
    add(terms.cross_entropy, at::where(known, row, at::zeros({}, row.options())).sum(), all.cross_entropy);
  }
  if (totals != nullptr) *totals = all;
  return loss;
}

}  // namespace plain
}  // namespace dsd
