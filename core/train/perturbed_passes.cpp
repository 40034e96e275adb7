#include "core/train/perturbed_passes.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <optional>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/model/model_shape.h"

namespace dsd {
namespace {

// For as long as it lives nothing is learned: backwards make no gradient of the weights.
class FrozenParameters {
 public:
  explicit FrozenParameters(std::span<Parameter> parameters) {
    for (const Parameter& parameter : parameters)
      if (parameter.weight->master.requires_grad()) {
        frozen_.push_back(parameter.weight->master);
        parameter.weight->master.set_requires_grad(false);
      }
  }
  ~FrozenParameters() {
    for (const Tensor& master : frozen_) master.set_requires_grad(true);
  }
  FrozenParameters(const FrozenParameters&) = delete;
  FrozenParameters& operator=(const FrozenParameters&) = delete;

 private:
  std::vector<Tensor> frozen_;
};

Outputs detached(const Outputs& outputs) {
  Outputs result;
  for (Scores scores : outputs.heads) {
    for (Tensor* tensor : {&scores.hidden, &scores.bias, &scores.dense})
      if (tensor->defined()) *tensor = tensor->detach();
    result.heads.push_back(std::move(scores));
  }
  return result;
}

// Rows of examples as their partners have them.
TeacherOutputs of_partners(const TeacherOutputs& teacher, const Tensor& partner) {
  TeacherOutputs result;
  for (const Target& target : teacher.heads) {
    Scores scores = std::get<Scores>(target);
    scores.dense = scores.dense.index_select(0, partner.to(scores.dense.device()));
    result.heads.emplace_back(std::move(scores));
  }
  return result;
}

Labels of_partners(const Labels& labels, const Tensor& partner) {
  if (const auto* classes = std::get_if<Classes>(&labels)) return Classes{classes->of.index_select(0, partner)};
  if (const auto* values = std::get_if<Values>(&labels)) return Values{values->of.index_select(0, partner)};
  return labels;
}

}  // namespace

PerturbedPasses::PerturbedPasses(const Adversary& adversary, Model& student, Objective& objective, Teacher* teacher)
    : adversary_(adversary), student_(student), objective_(objective), teacher_(teacher) {
  if (adversary.target() != AdversaryTarget::perturbed_teacher) return;
  if (teacher == nullptr)
    fail_as(ExitCode::bad_input, "adversary.target is perturbed_teacher, and the run has no teacher to perturb");
  const std::int64_t own = hidden_size(student.config().family), theirs = teacher->can().hidden;
  if (own != theirs)
    fail_as(ExitCode::bad_input,
            "adversary.target is perturbed_teacher, which needs embeddings of one width, but the student's are {} wide "
            "and the teacher's {}; take adversary.target=clean_teacher",
            own, theirs);
}

void PerturbedPasses::begin_step(Progress progress, const RandomKey& key) {
  progress_ = progress, key_ = key;
  added_ = gain_ = norms_ = 0;
  examples_ = 0;
}

void PerturbedPasses::backward(const Batch& batch, std::span<const TeacherOutputs> teachers, const Wanted& wanted,
                               const Wanted& teacher_wanted, const Pass& pass) {
  const Examples examples(batch);
  const Tensor words = student_.embed(batch, 0);  // [T, H]
  Passes seen{.batch = batch,
              .examples = examples,
              .embeddings = words.detach(),
              .perturbation = at::zeros_like(words),
              .gradient = {},
              .progress = progress_,
              .random = key_};
  Tensor for_words, held, held_leaf;
  Gain gain;
  for (; const auto draw = adversary_.next(seen); ++seen.count) {
    if (draw->perturbation.defined()) seen.perturbation = draw->perturbation;
    const Tensor leaf = (draw->perturbation.defined() ? seen.embeddings + draw->perturbation : seen.embeddings.clone())
                            .requires_grad_();
    std::optional<FrozenParameters> frozen;
    if (draw->share == 0) frozen.emplace(student_.parameters());
    Pass own = pass;
    own.embeddings = leaf;
    const Outputs outputs = student_.forward(batch, wanted, own);
    const Tensor objective = evaluate(*draw, outputs, seen, teachers, teacher_wanted);
    if (!objective.defined()) break;  // nothing of the goal is in this micro-batch
    count(*draw, objective, &gain);
    if (adversary_.holds_first() && seen.count == 0) {
      held = objective, held_leaf = leaf, first_ = outputs;
      continue;
    }
    if (draw->share == 0) {
      seen.gradient = torch::autograd::grad({objective}, {leaf})[0];
      continue;
    }
    (held.defined() ? held + objective : objective).backward();
    held = Tensor();
    seen.gradient = leaf.grad();
    for_words = for_words.defined() ? for_words + leaf.grad() : leaf.grad();
  }
  if (held.defined()) held.backward();
  if (held_leaf.defined()) for_words = for_words.defined() ? for_words + held_leaf.grad() : held_leaf.grad();
  first_ = {};
  if (words.requires_grad() && for_words.defined()) torch::autograd::backward({words}, {for_words});
  gain_ += gain.by;
  norms_ += examples.norms(seen.perturbation).sum().item<double>();
  examples_ += examples.count();
}

Tensor PerturbedPasses::evaluate(const Draw& draw, const Outputs& outputs, const Passes& seen,
                                 std::span<const TeacherOutputs> teachers, const Wanted& teacher_wanted) {
  const double share = draw.share > 0 ? draw.share : 1;
  if (draw.goal == Goal::smoothness)
    return objective_.smoothness(outputs, draw.share > 0 ? first_ : detached(first_), seen.batch, share);
  if (draw.partner_share > 0) return mixed(draw, outputs, seen.batch, teachers);
  std::vector<TeacherOutputs> perturbed;
  if (draw.perturbation.defined() && !teachers.empty() && adversary_.target() == AdversaryTarget::perturbed_teacher) {
    Batch transient = seen.batch;
    transient.transient = true, transient.perturbation = draw.perturbation;
    perturbed.push_back(teacher_->outputs(transient, teacher_wanted));
    teachers = perturbed;
  }
  return objective_.add({&outputs, 1}, teachers, seen.batch,
                        {.share = share, .counted = draw.counted, .divergence = draw.goal == Goal::divergence});
}

Tensor PerturbedPasses::mixed(const Draw& draw, const Outputs& outputs, const Batch& batch,
                              std::span<const TeacherOutputs> teachers) {
  const Tensor partner = at::tensor(Examples::partners(batch), at::kLong);
  Batch theirs = batch;
  theirs.labels = of_partners(batch.labels, partner);
  std::vector<TeacherOutputs> their_teachers;
  for (const TeacherOutputs& teacher : teachers) their_teachers.push_back(of_partners(teacher, partner));
  const auto part = [&](const Batch& of, std::span<const TeacherOutputs> by, double share) {
    return objective_.add({&outputs, 1}, by, of, {.share = draw.share * share, .counted = false});
  };
  const Tensor own = part(batch, teachers, 1 - draw.partner_share);
  const Tensor other = part(theirs, their_teachers, draw.partner_share);
  return own.defined() && other.defined() ? own + other : own.defined() ? own : other;
}

void PerturbedPasses::count(const Draw& draw, const Tensor& value, Gain* gain) {
  const double mean = value.item<double>() / (draw.share > 0 ? draw.share : 1);
  if (!draw.counted && draw.share > 0) added_ += mean;
  auto& first = gain->first[static_cast<std::size_t>(draw.goal)];
  if (!first) first = mean;
  gain->by = mean - *first;
}

double PerturbedPasses::report(double objective, std::vector<PartReport>* parts) const {
  const double weight = adversary_.weight(progress_);
  const double all = objective + weight * added_;
  PartReport own{
      .name = fmt::format("adversary.{}", adversary_.name()), .raw = added_, .weight = weight, .in_force = {}};
  own.share = all != 0 ? weight * added_ / all : 0.0;
  own.skipped = examples_ == 0;
  own.in_force = {{"norm", examples_ > 0 ? norms_ / static_cast<double>(examples_) : 0.0}, {"gain", gain_}};
  for (PartReport& part : *parts) part.share = all != 0 ? part.share * objective / all : 0.0;
  parts->push_back(std::move(own));
  return all;
}

}  // namespace dsd
