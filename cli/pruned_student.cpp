#include "cli/pruned_student.h"

#include "core/base/thousands.h"
#include "core/compress/report.h"
#include "core/compress/sample.h"

namespace dsd {

PruneSizes prune_sizes(const StudentConfig& wanted) {
  auto layers = wanted.layers;
  if (!layers && !wanted.from_layers.empty()) layers = std::ssize(wanted.from_layers);
  return {.layers = layers,
          .hidden = wanted.hidden,
          .heads = wanted.heads,
          .intermediate = wanted.intermediate,
          .experts = wanted.experts,
          .prefix = "student."};
}

std::unique_ptr<Model> pruned_student(const PrunedStudent& parts, std::vector<std::string>* fresh,
                                      std::vector<std::string>* lines) {
  const auto examples = spread_over(parts.train.size(), parts.wanted.importance.examples);
  const Importance importance = measure_importance(parts.base, batches_of(parts.train, examples, parts.kind));
  const FamilyConfig& base = parts.base.config().family;
  const Kept kept = choose_parts(importance, base, parts.config.family, parts.wanted.from_layers);
  *lines = pruning_lines({importance, kept, base, parts.config.family});
  lines->push_back(fmt::format("by importance on {} training examples, {} tokens", examples.size(),
                               thousands(static_cast<double>(importance.tokens))));
  return pruned_model(parts.base, parts.config, kept, importance, parts.copy_head, parts.options, parts.random, fresh);
}

}  // namespace dsd
