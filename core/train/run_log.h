#pragma once
// log.jsonl of a run: one JSON object a line, written out at once, numbers in full precision. On resume the lines after
// the checkpoint's step are cut off.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/train/objective.h"

namespace dsd {

// What scoring a model gave; the first metric is the one that the best step is chosen by.
using Scored = std::vector<std::pair<std::string, double>>;

struct StepLine {
  std::int64_t step = 0, steps = 1;  // done, of all
  double epoch = 0;
  double loss = 0;
  std::vector<PartReport> parts;
  double learning_rate = 0, gradient_norm = 0;
  TemperatureReport temperature;
  std::int64_t examples = 0, tokens = 0;  // of this step
  double seconds = 0;                     // of this step
  bool applied = true;                    // false: loss or gradient was not finite, and nothing changed
};

class RunLog {
 public:
  // Without `resumed_from` the log begins anew; with it, the lines up to that step stay.
  explicit RunLog(std::filesystem::path path, std::optional<std::int64_t> resumed_from = {});

  void step(const StepLine& line);
  void scored(std::int64_t step, const Scored& metrics, bool best);
  void scored_teacher(const Scored& metrics);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void write(const std::string& line);

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace dsd
