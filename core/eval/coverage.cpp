#include "core/eval/coverage.h"

#include <ATen/ATen.h>

#include <limits>

#include "core/base/error.h"

namespace dsd {
namespace {

constexpr double kRare = 0.1;  // of the mean number of rows of a class

std::vector<std::int64_t> label_counts(const Dataset& data, const Task& task) {
  std::vector<std::int64_t> counts(task.labels.size());
  for (std::int64_t i = 0; i < data.size(); ++i)
    if (const auto label = data.label(i); label >= 0) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

}  // namespace

std::int64_t words_seen(const Dataset& data, std::int64_t vocabulary) {
  std::vector<bool> seen(static_cast<std::size_t>(vocabulary));
  for (std::int64_t i = 0; i < data.size(); ++i)
    for (const auto id : data.read(i).ids)
      if (id >= 0 && id < vocabulary) seen[static_cast<std::size_t>(id)] = true;
  return std::count(seen.begin(), seen.end(), true);
}

Coverage coverage_of(Model& teacher, const Dataset& data, const Task& task, std::int64_t vocabulary,
                     const EvalSettings& settings) {
  if (task.kind != TaskKind::classes) fail("coverage by class is for tasks with classes, and '{}' has none", task.name);
  EvalSettings keeping = settings;
  keeping.keep_logits = true;
  const EvalResult result = evaluate(teacher, data, task, keeping);
  const Tensor log_p = at::log_softmax(result.logits.to(at::kDouble), -1), p = log_p.exp();  // [N, C]
  const Tensor largest = p.amax(1).contiguous(), entropy = -(p * log_p).sum(1).contiguous();
  Coverage coverage{.classes = std::vector<ClassCoverage>(task.labels.size()),
                    .rows = data.size(),
                    .words_seen = words_seen(data, vocabulary),
                    .words = vocabulary};
  const bool labelled = data.labelled() > 0;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const auto predicted = result.predictions[static_cast<std::size_t>(i)];
    const auto label = labelled ? data.label(i) : predicted;
    if (label < 0) {
      ++coverage.unlabelled;
      continue;
    }
    ClassCoverage& own = coverage.classes[static_cast<std::size_t>(label)];
    ++own.rows;
    own.confidence += largest.const_data_ptr<double>()[i];
    own.entropy += entropy.const_data_ptr<double>()[i];
    own.agreement += predicted == label ? 1 : 0;
  }
  for (std::size_t c = 0; c < coverage.classes.size(); ++c) {
    ClassCoverage& own = coverage.classes[c];
    own.name = task.label_names[c];
    const double rows = own.rows > 0 ? static_cast<double>(own.rows) : std::numeric_limits<double>::quiet_NaN();
    own.confidence /= rows, own.entropy /= rows;
    own.agreement = labelled ? own.agreement / rows : std::numeric_limits<double>::quiet_NaN();
  }
  if (!labelled) coverage.unlabelled = data.size();
  return coverage;
}

std::vector<std::string> rare_classes(const Dataset& data, const Task& task) {
  std::vector<std::string> warnings;
  if (task.kind != TaskKind::classes || data.labelled() == 0) return warnings;
  const auto counts = label_counts(data, task);
  const double mean = static_cast<double>(data.labelled()) / static_cast<double>(counts.size());
  for (std::size_t c = 0; c < counts.size(); ++c)
    if (static_cast<double>(counts[c]) < kRare * mean)
      warnings.push_back(fmt::format(
          "class '{}' has {} of {} labelled rows, where {:.0f} are the mean: the student will hardly learn it "
          "from these; add rows of it, or text without labels that holds it",
          task.label_names[c], counts[c], data.labelled(), mean));
  return warnings;
}

}  // namespace dsd
