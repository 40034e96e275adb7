#pragma once
// What a person sees of training: a progress bar on a terminal, a plain line every few seconds elsewhere.

#include <functional>
#include <string>

#include "core/base/log.h"
#include "core/train/run_log.h"

namespace dsd {

std::string time_text(double seconds);  // "42s", "3m05s", "2h10m"

// Loss and speed are smoothed over the last steps or so, the time left is told by the mean step and what lay between.
struct TrainingPace {
  double loss = 0;
  double tokens_per_second = 0;
  double seconds_left = 0;
};

std::string bar_text(const StepLine& line, const TrainingPace& pace);
std::string plain_text(const StepLine& line, const TrainingPace& pace);
std::string scored_text(std::int64_t step, const Scored& metrics, bool best);

class ConsoleReport {
 public:
  using Clock = std::function<double()>;  // seconds

  explicit ConsoleReport(Console& console, double plain_every = 10);
  ConsoleReport(Console& console, double plain_every, Clock clock);

  void step(const StepLine& line);
  void scored(std::int64_t step, const Scored& metrics, bool best);

 private:
  void follow(const StepLine& line);

  Console& console_;
  double plain_every_;
  Clock clock_;
  double shown_at_;
  double began_at_;
  std::int64_t first_step_ = -1;  // done before this process began
  TrainingPace pace_;
  double tokens_ = 0, seconds_ = 0;  // fading sums
};

}  // namespace dsd
