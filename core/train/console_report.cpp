#include "core/train/console_report.h"

#include <chrono>
#include <cmath>

#include "core/base/thousands.h"

namespace dsd {
namespace {

constexpr int kBarWidth = 20;
constexpr double kBarEvery = 0.1;  // seconds: faster than anyone reads, slow enough to cost nothing
constexpr double kFade = 0.95;     // about the last twenty steps

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string numbers_text(const TrainingPace& pace) {
  return fmt::format("loss {:.4f}  {} tokens/s  {} left", pace.loss, thousands(pace.tokens_per_second),
                     time_text(pace.seconds_left));
}

}  // namespace

std::string time_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(std::max(0.0, seconds)));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
}

std::string bar_text(const StepLine& line, const TrainingPace& pace) {
  const auto full = static_cast<std::size_t>(kBarWidth * line.step / line.steps);
  return fmt::format("[{}{}] {}/{}  {}", std::string(full, '#'), std::string(kBarWidth - full, '.'), line.step,
                     line.steps, numbers_text(pace));
}

std::string plain_text(const StepLine& line, const TrainingPace& pace) {
  return fmt::format("step {}/{}  epoch {:.2f}  {}", line.step, line.steps, line.epoch, numbers_text(pace));
}

std::string scored_text(std::int64_t step, const Scored& metrics, bool best) {
  std::string text = fmt::format("step {}: the student scores", step);
  for (const auto& [name, value] : metrics) text += fmt::format("  {} {:.4f}", name, value);
  return best ? text + "  (best so far)" : text;
}

ConsoleReport::ConsoleReport(Console& console, double plain_every)
    : ConsoleReport(console, plain_every, steady_seconds) {}

ConsoleReport::ConsoleReport(Console& console, double plain_every, Clock clock)
    : console_(console),
      plain_every_(plain_every),
      clock_(std::move(clock)),
      shown_at_(clock_()),
      began_at_(shown_at_) {}

void ConsoleReport::follow(const StepLine& line) {
  const bool first = first_step_ < 0;
  if (first) first_step_ = line.step - 1;
  if (std::isfinite(line.loss)) pace_.loss = first ? line.loss : kFade * pace_.loss + (1 - kFade) * line.loss;
  tokens_ = kFade * tokens_ + static_cast<double>(line.tokens);
  seconds_ = kFade * seconds_ + line.seconds;
  pace_.tokens_per_second = seconds_ > 0 ? tokens_ / seconds_ : 0;
  pace_.seconds_left = (clock_() - began_at_) / static_cast<double>(line.step - first_step_) *
                       static_cast<double>(line.steps - line.step);
}

void ConsoleReport::step(const StepLine& line) {
  follow(line);
  if (!line.applied) {
    console_.line("step {}: the loss or its gradient is not finite (loss {}, gradient norm {}): nothing was changed",
                  line.step, line.loss, line.gradient_norm);
  }
  const double now = clock_();
  const bool last = line.step == line.steps;
  if (!last && now - shown_at_ < (console_.is_terminal() ? kBarEvery : plain_every_)) return;
  shown_at_ = now;
  if (console_.is_terminal() && !last) console_.progress(bar_text(line, pace_));
  else console_.write_line(plain_text(line, pace_));
}

void ConsoleReport::scored(std::int64_t step, const Scored& metrics, bool best) {
  console_.write_line(scored_text(step, metrics, best));
}

}  // namespace dsd
