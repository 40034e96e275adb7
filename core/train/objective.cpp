#include "core/train/objective.h"

#include <algorithm>
#include <iterator>

#include "core/base/error.h"
#include "losses/compared.h"
#include "losses/expert_balance.h"
#include "losses/rows.h"
#include "losses/vocabulary_head.h"

namespace dsd {
namespace {

const std::string kTemperature = "temperature/";

// Each loss sets its own terms and leaves the others as they are by default.
void merge(VocabularyTerms& all, const VocabularyTerms& one) {
  each_loss(all, one, [](float& sum, float coefficient) { sum += coefficient; });
  if (one.jensen_shannon != 0 || one.skew != 0 || one.skew_reverse != 0) all.teacher_share = one.teacher_share;
  if (one.cross_entropy != 0) all.label_smoothing = one.label_smoothing;
  if (one.forward != 0) all.target_share = one.target_share;
}

// [N], -1 none; undefined where the labels are no classes.
Tensor class_labels(const Batch& batch) {
  const auto* classes = std::get_if<Classes>(&batch.labels);
  return classes ? classes->of : Tensor();
}

void merge(Wanted& all, const Wanted& wanted) {
  all.heads = all.heads || wanted.heads;
  all.routing = all.routing || wanted.routing;
  for (const auto& site : wanted.sites)
    if (!all.contains(site)) all.sites.push_back(site);
}

}  // namespace

Objective::Objective(const LossesConfig& losses, bool with_teacher, const std::optional<ModelShapes>& shapes)
    : temperature_(make_temperature(with_teacher ? losses.temperature.value_or(ScheduledTemperature{1.0})
                                                 : ScheduledTemperature{1.0})),
      tile_rows_(losses.tile_rows) {
  if (!losses.hard || (with_teacher && !losses.soft))
    throw std::logic_error("the objective takes a recipe whose losses are resolved for its task");
  if (with_teacher) {
    if (const auto why = one_temperature(*losses.soft); temperature_->differs() && !why.empty())
      throw std::logic_error("the objective takes a recipe that has been checked: its loss " + std::string(why));
    auto loss = make_loss(*losses.soft);
    auto name = fmt::format("soft.{}", loss->name());
    parts_.push_back(
        {.name = std::move(name), .loss = std::move(loss), .weight = losses.soft_weight, .soft = true, .sum = {}});
  }
  auto loss = make_loss(*losses.hard);
  auto name = fmt::format("hard.{}", loss->name());
  const ScheduleConfig weight = with_teacher ? losses.hard_weight : ScheduleConfig(1.0);
  parts_.push_back({.name = std::move(name), .loss = std::move(loss), .weight = weight, .sum = {}});
  if (!with_teacher || losses.features.empty()) return;
  if (!shapes) throw std::logic_error("losses on features need the shapes of the models");
  add_features(losses.features, *shapes);
}

void Objective::add_features(const std::vector<FeaturePart>& features, const ModelShapes& shapes) {
  for (std::size_t i = 0; i < features.size(); ++i) {
    ModelShapes own = shapes;
    own.random.step = static_cast<std::uint32_t>(i);
    auto loss = make_loss(features[i].loss, own);
    if (extremes(features[i].weight).second == 0) continue;  // its faults are told, but nothing is captured for it
    for (Parameter& parameter : loss->parameters())
      parameter.name = fmt::format("losses.features.{}.{}", i, parameter.name);
    auto name = fmt::format("features.{}.{}", i, loss->name());
    FeatureLoss* on_features = loss.get();
    parts_.push_back({.name = std::move(name),
                      .loss = std::move(loss),
                      .weight = features[i].weight,
                      .features = on_features,
                      .sum = {}});
  }
}

void Objective::add_balance(double coefficient) {
  parts_.push_back({.name = "balance", .loss = std::make_unique<ExpertBalance>(), .weight = coefficient, .sum = {}});
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
    if ((part.soft || part.features) && value(part.weight, progress) > 0) return true;
  return false;
}

std::vector<Parameter> Objective::parameters() const {
  std::vector<Parameter> all;
  for (const auto& part : parts_) {
    const auto own = part.loss->parameters();
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

bool Objective::has_features() const {
  return std::ranges::any_of(parts_, [](const Part& part) { return part.features != nullptr; });
}

void Objective::look(const Outputs& student, const TeacherOutputs& teacher, const Batch& batch) {
  for (auto& part : parts_)
    if (part.features) part.features->look({.student = {&student, 1}, .teachers = {&teacher, 1}, .batch = batch});
}

void Objective::start() {
  for (auto& part : parts_)
    if (part.features) part.features->start();
}

std::vector<std::string> Objective::matches() const {
  std::vector<std::string> lines;
  for (const auto& part : parts_)
    if (part.features) std::ranges::copy(part.features->matches_text(), std::back_inserter(lines));
  return lines;
}

void Objective::begin_step(std::span<const Batch> micro_batches, Progress progress) {
  progress_ = progress;
  temperature_->begin_step(progress);
  rows_ = 0;
  for (const auto& batch : micro_batches) rows_ += row_count(batch);
  for (auto& part : parts_) {
    part.weight_now = value(part.weight, progress);
    part.total = 0;
    part.sum = Tensor();
    for (const auto& batch : micro_batches) part.total += part.loss->count(batch);
  }
}

Tensor Objective::add(std::span<const Outputs> student, std::span<const TeacherOutputs> teachers, const Batch& batch,
                      const PassUse& use) {
  LossInput input{.student = student,
                  .teachers = teachers,
                  .batch = batch,
                  .temperature = temperature_->base(),
                  .progress = progress_};
  const bool in_a_walk = !student[0].heads.empty() && student[0].heads[0].hidden.defined();
  if (!in_a_walk && temperature_->differs() && soft_now())
    input.temperature =
        temperature_->of_rows(student_logits(input), teacher_logits(input), class_labels(batch), use.counted);
  Tensor objective = in_a_walk ? add_rows(input, use) : Tensor();
  for (auto& part : parts_) {
    if (!active(part, use) || (in_a_walk && row_loss(part) != nullptr)) continue;
    if (in_a_walk && part.loss->student_wants().heads)
      fail("{} compares dense scores, and a head over a vocabulary has none", part.name);
    const Tensor sum = part.loss->sum(input);
    count_sum(part, sum, use);
    const Tensor scaled = sum * scale(part, use);
    objective = objective.defined() ? objective + scaled : scaled;
  }
  return objective;
}

bool Objective::soft_now() const {
  return std::ranges::any_of(parts_, [&](const Part& part) { return part.soft && active(part); });
}

Tensor Objective::smoothness(const Outputs& one, const Outputs& other, const Batch& batch, double share) const {
  const Scores &a = one.heads.at(0), &b = other.heads.at(0);
  const double scale = share / rows_;
  if (a.hidden.defined()) {
    // Each walk takes its target as it stands: one for each side's gradient, and the value once.
    const auto walk = [&](const Scores& student, const Scores& teacher) {
      const Target target = teacher;
      const auto coefficient = static_cast<float>(scale);
      return vocabulary_loss({.student = &student,
                              .teacher = &target,
                              .labels = {},
                              .terms = {.forward = coefficient, .reverse = coefficient},
                              .tile_rows = tile_rows_},
                             nullptr);
    };
    const Tensor of_a = walk(a, b);
    if (!b.hidden.requires_grad()) return of_a;
    const Tensor of_b = walk(b, a);
    return of_a + of_b - of_b.detach();
  }
  if (std::holds_alternative<Values>(batch.labels)) return (a.dense - b.dense).square().sum() * scale;
  const Compared pair = compared(a.dense, b.dense);
  return (forward_kl(pair) + reverse_kl(pair)).sum() * scale;
}

double Objective::scale(const Part& part, const PassUse& use) const {
  const bool own = part.soft && temperature_->differs();  // each row has its factor already
  return use.share * part.weight_now * (own ? 1.0 : part.loss->factor(temperature_->base())) / part.total;
}

void Objective::count_sum(Part& part, const Tensor& sum, const PassUse& use) {
  if (!use.counted) return;
  const Tensor seen = sum.detach().to(at::kDouble) * use.share;
  part.sum = part.sum.defined() ? part.sum + seen : seen;
}

const RowLoss* Objective::row_loss(const Part& part) { return dynamic_cast<const RowLoss*>(part.loss.get()); }

Tensor Objective::add_rows(const LossInput& input, const PassUse& use) {
  VocabularyWork work{.student = &input.student[0].heads[0], .tile_rows = tile_rows_};
  work.terms.inverse_temperature = static_cast<float>(1 / temperature_->base());
  for (const auto& part : parts_) {
    const RowLoss* loss = row_loss(part);
    if (!active(part, use) || loss == nullptr) continue;
    merge(work.terms, loss->terms(scale(part, use)));
    if (part.soft && input.teachers.empty()) fail("{} needs a teacher", part.name);
    if (part.soft) set_teacher(work, part, input);
    else work.labels = class_labels(input.batch);
  }
  if (work.teacher == nullptr && !work.labels.defined()) return {};
  VocabularyTotals totals;
  Tensor objective = vocabulary_loss(work, &totals);
  if (use.counted && work.rule.measure != RowMeasure::none)
    temperature_->saw({work.temperatures, work.difficulties, work.labels, class_count(*work.student)});
  for (auto& part : parts_) {
    const RowLoss* loss = row_loss(part);
    if (active(part, use) && loss != nullptr) count_sum(part, at::scalar_tensor(loss->of(totals), at::kDouble), use);
  }
  return objective;
}

void Objective::set_teacher(VocabularyWork& work, const Part& part, const LossInput& input) const {
  work.teacher = &input.teachers[0].heads.at(0);
  if (!temperature_->differs()) return;
  if (!temperature_->walks()) fail("a learned temperature needs dense scores, and a head over a vocabulary has none");
  work.rule = temperature_->rule();
  work.rule.squared = squares(part);
  if (temperature_->needs_labels()) work.labels = class_labels(input.batch);
  const Tensor& hidden = work.student->hidden;
  work.difficulties = at::empty({hidden.size(0)}, hidden.options().dtype(at::kFloat).requires_grad(false));
  work.temperatures = work.rule.given ? temperature_->given(work.labels).to(work.difficulties.options())
                                      : at::empty_like(work.difficulties);
}

double Objective::finish_step(std::vector<PartReport>* reports) {
  const TemperatureReport rows = temperature();
  double objective = 0;
  reports->clear();
  for (auto& part : parts_) {
    double factor = part.loss->factor(temperature_->base());
    part.mean = active(part) && part.sum.defined() ? part.sum.item<double>() / part.total : 0.0;
    if (part.soft && rows.differ) {
      factor = squares(part) ? rows.squared_factor : rows.plain_factor;
      part.mean = factor > 0 ? part.mean / factor : 0.0;
    }
    reports->push_back({.name = part.name,
                        .raw = part.mean,
                        .factor = factor,
                        .weight = part.weight_now,
                        .share = 0,
                        .skipped = !active(part),
                        .in_force = part.loss->in_force()});
    objective += part.mean * reports->back().factor * part.weight_now;
  }
  for (auto& report : *reports)
    report.share = objective != 0 ? report.raw * report.factor * report.weight / objective : 0.0;
  return objective;
}

void Objective::after_step() {
  temperature_->after_step();
  for (auto& part : parts_)
    if (active(part)) part.loss->after_step({.mean = part.mean, .count = part.total, .progress = progress_});
}

State Objective::state() const {
  State all;
  for (const auto& [key, value] : temperature_->state()) all.emplace(kTemperature + key, value);
  for (const auto& part : parts_)
    for (auto& [key, value] : part.loss->state()) all.emplace(fmt::format("{}/{}", part.name, key), value);
  return all;
}

void Objective::restore(const State& state) {
  std::size_t taken = 0;
  const auto take = [&](const std::string& prefix) {
    State own;
    for (const auto& [key, value] : state)
      if (key.starts_with(prefix)) own.emplace(key.substr(prefix.size()), value);
    taken += own.size();
    return own;
  };
  temperature_->restore(take(kTemperature));
  for (auto& part : parts_) {
    const State own = take(part.name + "/");
    if (own.empty() != part.loss->state().empty()) fail("the losses' state and {} do not belong together", part.name);
    part.loss->restore(own);
  }
  if (taken != state.size()) fail("the losses' state has {} entries, of which {} are known", state.size(), taken);
}

}  // namespace dsd
