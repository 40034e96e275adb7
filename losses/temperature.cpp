#include "losses/temperature.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"

namespace dsd {
namespace {

Tensor number(double value) { return at::scalar_tensor(value, at::kDouble); }

const Tensor& saved(const State& state, const char* name) {
  const auto found = state.find(name);
  if (found == state.end()) fail("the state of the temperature lacks '{}'", name);
  return found->second;
}

class FixedTemperature final : public Temperature {
 public:
  explicit FixedTemperature(const ScheduleConfig& value_of) : schedule_(value_of), now_(value(value_of, {})) {}
  void begin_step(Progress progress) override { now_ = value(schedule_, progress); }
  bool differs() const override { return false; }
  double base() const override { return now_; }
  Temperatures of_rows(const Tensor&, const Tensor&, const Tensor&, bool) override { return now_; }
  TemperatureReport report() const override { return {now_, now_, now_, now_ * now_, 1, false}; }

 private:
  ScheduleConfig schedule_;
  double now_;
};

// Sums over the rows of a step, kept where the rows are until they are asked for.
class RowTotals {
 public:
  void add(const RowsSeen& seen, bool weighs) {
    if (seen.temperatures.numel() == 0) return;
    const Tensor t = seen.temperatures.detach().to(at::kDouble), d = seen.difficulties.to(at::kDouble);
    const Tensor weight = weighs ? d : at::ones_like(t);
    const Tensor sums = at::stack({at::ones_like(t).sum(), t.sum(), (weight * t * t).sum(), weight.sum(), d.nansum(),
                                   d.isnan().logical_not().sum().to(at::kDouble)});
    const Tensor ends = at::stack({-t.min(), t.max()});
    sums_ = sums_.defined() ? sums_ + sums : sums;
    ends_ = ends_.defined() ? at::maximum(ends_, ends) : ends;
  }
  void clear() { sums_ = ends_ = Tensor(); }

  TemperatureReport report(double base) const {
    if (!sums_.defined()) return {base, base, base, base * base, 1, true};
    const Tensor sums = sums_.cpu(), ends = ends_.cpu();
    const double *sum = sums.const_data_ptr<double>(), *end = ends.const_data_ptr<double>();
    return {-end[0], sum[1] / sum[0], end[1], sum[2] / sum[0], sum[3] / sum[0], true};
  }
  // None where no row has a difficulty.
  std::optional<double> mean_difficulty() const {
    if (!sums_.defined()) return std::nullopt;
    const Tensor sums = sums_.cpu();
    const double* sum = sums.const_data_ptr<double>();
    return sum[5] > 0 ? std::optional(sum[4] / sum[5]) : std::nullopt;
  }

 private:
  Tensor sums_;  // [6]: rows, T, T^2 times weight, weight, difficulties, rows that have one
  Tensor ends_;  // [2]: -least, largest
};

// By what each row is itself.
class MeasuredTemperature : public Temperature {
 public:
  MeasuredTemperature(const AdaptiveTemperature& config, RowTemperature rule) : config_(config), rule_(rule) {
    rule_.least = config.min, rule_.most = config.max;
  }

  void begin_step(Progress progress) override {
    totals_.clear();
    rule_.base = value(config_.base, progress);
    const double sign = config_.direction == Direction::harder_softer ? 1 : -1;
    rule_.slope = mean_ ? sign * config_.strength : 0.0;
    rule_.mean = mean_.value_or(0);
  }
  double base() const override { return rule_.base; }

  Temperatures of_rows(const Tensor& student, const Tensor& teacher, const Tensor& labels, bool counted) override {
    const Tensor difficulties = row_difficulties(rule_, student, teacher, labels);
    Temperatures result;
    result.rows = rule_.given ? given(labels).to(difficulties.options()) : row_temperatures(rule_, difficulties);
    if (rule_.weighs) result.weights = difficulties;
    if (counted) saw({result.rows, difficulties, labels, student.size(1)});
    return result;
  }
  RowTemperature rule() const override { return rule_; }
  void saw(const RowsSeen& seen) override { totals_.add(seen, rule_.weighs); }
  TemperatureReport report() const override { return totals_.report(base()); }

  void after_step() override {
    const auto now = totals_.mean_difficulty();
    if (now) mean_ = mean_ ? config_.memory * *mean_ + (1 - config_.memory) * *now : *now;
  }
  State state() const override { return mean_ ? State{{"mean", number(*mean_)}} : State{}; }
  void restore(const State& state) override {
    mean_.reset();
    if (!state.empty()) mean_ = saved(state, "mean").item<double>();
  }

 protected:
  AdaptiveTemperature config_;
  RowTemperature rule_;
  std::optional<double> mean_;

 private:
  RowTotals totals_;
};

// By what the row's class has been in the steps before.
class ByClassTemperature final : public MeasuredTemperature {
 public:
  explicit ByClassTemperature(const AdaptiveTemperature& config)
      : MeasuredTemperature(config, {.measure = RowMeasure::miss, .given = true}) {}

  void begin_step(Progress progress) override {
    MeasuredTemperature::begin_step(progress);
    sums_ = counts_ = Tensor();
  }
  bool needs_labels() const override { return true; }

  Tensor given(const Tensor& labels) const override {
    const Tensor places = labels.cpu().to(at::kLong);
    Tensor apart = at::zeros(places.sizes(), at::kDouble);
    if (mean_) {
      const Tensor there = (places >= 0).logical_and(places < difficulties_.size(0));
      const Tensor own = difficulties_.index_select(0, places.masked_fill(there.logical_not(), 0));
      apart = (own - *mean_).masked_fill(there.logical_not().logical_or(own.isnan()), 0);
    }
    return (rule_.base + rule_.slope * apart).clamp(config_.min, config_.max).to(labels.device());
  }

  void saw(const RowsSeen& seen) override {
    MeasuredTemperature::saw(seen);
    const Tensor known = seen.labels >= 0;
    const Tensor places = seen.labels.masked_select(known).to(at::kLong).cpu();
    const Tensor values = seen.difficulties.masked_select(known).to(at::kDouble).cpu();
    if (!sums_.defined()) sums_ = at::zeros({seen.classes}, at::kDouble), counts_ = at::zeros_like(sums_);
    sums_.index_add_(0, places, values);
    counts_.index_add_(0, places, at::ones_like(values));
  }

  void after_step() override {
    if (!sums_.defined()) return;
    if (!difficulties_.defined()) difficulties_ = at::full_like(sums_, NAN);
    const Tensor now = sums_ / counts_;  // NaN of a class that the step does not hold
    const Tensor moved =
        at::where(difficulties_.isnan(), now, difficulties_ * config_.memory + now * (1 - config_.memory));
    difficulties_ = at::where(counts_ > 0, moved, difficulties_);
    mean_ = difficulties_.nanmean().item<double>();
    if (std::isnan(*mean_)) mean_.reset();
  }

  State state() const override { return difficulties_.defined() ? State{{"classes", difficulties_}} : State{}; }
  void restore(const State& state) override {
    difficulties_ = Tensor();
    mean_.reset();
    if (state.empty()) return;
    difficulties_ = saved(state, "classes").to(at::kDouble).clone();
    if (const double mean = difficulties_.nanmean().item<double>(); !std::isnan(mean)) mean_ = mean;
  }

 private:
  Tensor difficulties_;   // [C] float64, NaN of a class never seen; undefined: none seen
  Tensor sums_, counts_;  // [C] float64, of this step
};

class ClimbingTemperature final : public Temperature {
 public:
  explicit ClimbingTemperature(const LearnedTemperature& config) : config_(config), theta_(config.start) {
    begin_step({});
  }

  void begin_step(Progress progress) override {
    slope_ = config_.rate * value(config_.reversal, progress);
    leaf_ = number(theta_).requires_grad_();
    now_ = config_.min + (config_.max - config_.min) * at::sigmoid(leaf_);
  }
  double base() const override { return now_.item<double>(); }

  Temperatures of_rows(const Tensor& student, const Tensor&, const Tensor&, bool) override {
    Temperatures result;
    // Made anew for each micro-batch: a backward frees what it walked.
    const Tensor one = config_.min + (config_.max - config_.min) * at::sigmoid(leaf_);
    result.rows = one.to(student.device(), student.scalar_type()).expand({student.size(0)});
    return result;
  }
  bool walks() const override { return false; }
  TemperatureReport report() const override {
    const double now = base();
    return {now, now, now, now * now, 1, true};
  }

  void after_step() override {
    if (leaf_.grad().defined()) theta_ += slope_ * leaf_.grad().item<double>();
  }
  State state() const override { return {{"theta", number(theta_)}}; }
  void restore(const State& state) override { theta_ = saved(state, "theta").item<double>(); }

 private:
  LearnedTemperature config_;
  double theta_, slope_ = 0;
  Tensor leaf_, now_;
};

struct Make {
  using Result = std::unique_ptr<Temperature>;
  Result operator()(const ScheduledTemperature& config) const {
    return std::make_unique<FixedTemperature>(config.value);
  }
  Result operator()(const FlswTemperature& config) const {
    return std::make_unique<MeasuredTemperature>(
        config.adaptive, RowTemperature{.measure = RowMeasure::unlikeness, .power = config.power});
  }
  Result operator()(const CwsmTemperature& config) const {
    return std::make_unique<MeasuredTemperature>(config.adaptive, RowTemperature{.measure = RowMeasure::uncertainty});
  }
  Result operator()(const EntropyTemperature& config) const {
    return std::make_unique<MeasuredTemperature>(config.adaptive,
                                                 RowTemperature{.measure = RowMeasure::entropy,
                                                                .entropy_temperature = config.entropy_temperature,
                                                                .weighs = config.reweigh});
  }
  Result operator()(const ClassTemperature& config) const {
    return std::make_unique<ByClassTemperature>(config.adaptive);
  }
  Result operator()(const LearnedTemperature& config) const { return std::make_unique<ClimbingTemperature>(config); }
};

}  // namespace

void Temperature::restore(const State& state) {
  if (!state.empty()) fail("the checkpoint holds the state of a temperature, and this one has none");
}

std::unique_ptr<Temperature> make_temperature(const TemperatureConfig& config) { return std::visit(Make{}, config); }

}  // namespace dsd
