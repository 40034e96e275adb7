#include "core/train/objective.h"

#include "core/base/error.h"
#include "losses/vocabulary_head.h"

namespace dsd {
namespace {

// Each loss sets its own terms and leaves the others as they are by default.
void merge(VocabularyTerms& all, const VocabularyTerms& one) {
  all.forward += one.forward;
  all.reverse += one.reverse;
  all.jensen_shannon += one.jensen_shannon;
  all.cross_entropy += one.cross_entropy;
  if (one.jensen_shannon != 0) all.teacher_share = one.teacher_share;
  if (one.cross_entropy != 0) all.label_smoothing = one.label_smoothing;
}

void merge(Wanted& all, const Wanted& wanted) {
  all.heads = all.heads || wanted.heads;
  for (const auto& site : wanted.sites)
    if (!all.contains(site)) all.sites.push_back(site);
}

}  // namespace

Objective::Objective(const LossesConfig& losses, bool with_teacher)
    : temperature_(losses.temperature.value_or(1.0)), tile_rows_(losses.tile_rows) {
  if (!losses.hard || (with_teacher && !losses.soft))
    throw std::logic_error("the objective takes a recipe whose losses are resolved for its task");
  if (with_teacher) {
    auto loss = make_loss(*losses.soft);
    auto name = fmt::format("soft.{}", loss->name());
    parts_.push_back(
        {.name = std::move(name), .loss = std::move(loss), .weight = losses.soft_weight, .soft = true, .sum = {}});
  }
  auto loss = make_loss(*losses.hard);
  auto name = fmt::format("hard.{}", loss->name());
  const ScheduleConfig weight = with_teacher ? losses.hard_weight : ScheduleConfig(1.0);
  parts_.push_back({.name = std::move(name), .loss = std::move(loss), .weight = weight, .sum = {}});
}

Wanted Objective::student_wants() const {
  Wanted all{.heads = false, .sites = {}};
  for (const auto& part : parts_) merge(all, part.loss->student_wants());
  return all;
}

Wanted Objective::teacher_wants() const {
  Wanted all{.heads = false, .sites = {}};
  for (const auto& part : parts_) merge(all, part.loss->teacher_wants());
  return all;
}

bool Objective::needs_teacher(Progress progress) const {
  for (const auto& part : parts_)
    if (part.soft && value(part.weight, progress) > 0) return true;
  return false;
}

double Objective::temperature(Progress progress) const { return value(temperature_, progress); }

void Objective::begin_step(std::span<const Batch> micro_batches, Progress progress) {
  progress_ = progress;
  for (auto& part : parts_) {
    part.weight_now = value(part.weight, progress);
    part.total = 0;
    part.sum = Tensor();
    for (const auto& batch : micro_batches) part.total += part.loss->count(batch);
  }
}

Tensor Objective::add(std::span<const Outputs> student, std::span<const TeacherOutputs> teachers, const Batch& batch) {
  const double tau = temperature(progress_);
  const LossInput input{
      .student = student, .teachers = teachers, .batch = batch, .temperature = tau, .progress = progress_};
  if (!student[0].heads.empty() && student[0].heads[0].hidden.defined()) return add_rows(input);
  Tensor objective;
  for (auto& part : parts_) {
    if (!active(part)) continue;
    const Tensor sum = part.loss->sum(input);
    count_sum(part, sum);
    const Tensor scaled = sum * scale(part);
    objective = objective.defined() ? objective + scaled : scaled;
  }
  return objective;
}

double Objective::scale(const Part& part) const {
  return part.weight_now * part.loss->factor(temperature(progress_)) / part.total;
}

void Objective::count_sum(Part& part, const Tensor& sum) {
  const Tensor seen = sum.detach().to(at::kDouble);
  part.sum = part.sum.defined() ? part.sum + seen : seen;
}

Tensor Objective::add_rows(const LossInput& input) {
  VocabularyWork work{.student = &input.student[0].heads[0], .tile_rows = tile_rows_};
  work.terms.inverse_temperature = static_cast<float>(1 / input.temperature);
  for (const auto& part : parts_) {
    if (!active(part)) continue;
    const auto* loss = dynamic_cast<const RowLoss*>(part.loss.get());
    if (loss == nullptr) fail("{} compares dense scores, and a head over a vocabulary has none", part.name);
    merge(work.terms, loss->terms(scale(part)));
    if (part.soft && input.teachers.empty()) fail("{} needs a teacher", part.name);
    if (part.soft) work.teacher = &input.teachers[0].heads.at(0);
    else if (const auto* classes = std::get_if<Classes>(&input.batch.labels)) work.labels = classes->of;
  }
  if (work.teacher == nullptr && !work.labels.defined()) return {};
  VocabularyTotals totals;
  Tensor objective = vocabulary_loss(work, &totals);
  for (auto& part : parts_) {
    if (!active(part)) continue;
    count_sum(part, at::scalar_tensor(dynamic_cast<const RowLoss&>(*part.loss).of(totals), at::kDouble));
  }
  return objective;
}

double Objective::finish_step(std::vector<PartReport>* reports) {
  const double tau = temperature(progress_);
  double objective = 0;
  reports->clear();
  for (const auto& part : parts_) {
    const double raw = active(part) && part.sum.defined() ? part.sum.item<double>() / part.total : 0.0;
    reports->push_back({.name = part.name,
                        .raw = raw,
                        .factor = part.loss->factor(tau),
                        .weight = part.weight_now,
                        .share = 0,
                        .skipped = !active(part)});
    objective += raw * reports->back().factor * part.weight_now;
  }
  for (auto& report : *reports)
    report.share = objective != 0 ? report.raw * report.factor * report.weight / objective : 0.0;
  return objective;
}

}  // namespace dsd
