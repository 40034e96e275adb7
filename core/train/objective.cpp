#include "core/train/objective.h"

#include "core/base/error.h"
#include "losses/expert_balance.h"

namespace dsd {
namespace {

ScheduleConfig schedule_or(const std::optional<ScheduleConfig>& schedule, double constant) {
  return schedule ? *schedule : ScheduleConfig{ConstantSchedule{.value = constant}};
}

void merge(Wanted& all, const Wanted& wanted) {
  all.heads = all.heads || wanted.heads;
  all.routing = all.routing || wanted.routing;
  for (const auto& site : wanted.sites)
    if (!all.contains(site)) all.sites.push_back(site);
}

}  // namespace

Objective::Objective(const LossesConfig& losses, const SchedulesConfig& schedules, bool with_teacher)
    : temperature_(schedule_or(schedules.temperature, losses.temperature.value_or(1.0))) {
  if (!losses.hard || (with_teacher && !losses.soft))
    throw std::logic_error("the objective takes a recipe whose losses are resolved for its task");
  if (with_teacher) {
    auto loss = make_loss(*losses.soft);
    auto name = fmt::format("soft.{}", loss->name());
    parts_.push_back({.name = std::move(name),
                      .loss = std::move(loss),
                      .weight = schedule_or(schedules.soft_weight, losses.soft_weight),
                      .soft = true,
                      .sum = {}});
  }
  auto loss = make_loss(*losses.hard);
  auto name = fmt::format("hard.{}", loss->name());
  const auto weight =
      with_teacher ? schedule_or(schedules.hard_weight, losses.hard_weight) : ScheduleConfig{ConstantSchedule{}};
  parts_.push_back({.name = std::move(name), .loss = std::move(loss), .weight = weight, .sum = {}});
}

void Objective::add_balance(double coefficient) {
  parts_.push_back({.name = "balance",
                    .loss = std::make_unique<ExpertBalance>(),
                    .weight = ConstantSchedule{.value = coefficient},
                    .sum = {}});
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
  Tensor objective;
  for (auto& part : parts_) {
    if (!active(part)) continue;
    const Tensor sum = part.loss->sum(input);
    const Tensor seen = sum.detach().to(at::kDouble);
    part.sum = part.sum.defined() ? part.sum + seen : seen;
    const Tensor scaled = sum * (part.weight_now * part.loss->factor(tau) / part.total);
    objective = objective.defined() ? objective + scaled : scaled;
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
