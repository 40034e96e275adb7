#include "cli/after_training.h"

#include <utility>

namespace dsd {

std::vector<RobustModel> score_robustness(const Recipe& recipe, RunModels& models, const Workbench& bench,
                                          const std::filesystem::path& student) {
  if (!recipe.eval.robustness) return {};
  const RobustnessConfig& config = *recipe.eval.robustness;
  const Task& task = bench.data.task;
  const Dataset slips =
      misspelt(task, recipe.data, split_files(task, recipe.data, Split::dev), Tokenizer::load(bench.tokenizer), config);
  const auto score = [&](Model& model, std::vector<std::int32_t> columns) {
    return robustness_of(model, bench.data.dev, slips, task, config,
                         {.columns = std::move(columns), .tokens = recipe.eval.tokens});
  };
  std::vector<RobustModel> robust{{"student", score(*load_frozen_model(student), {})}};
  if (models.teacher) robust.push_back({"teacher", score(*models.teacher, models.columns)});
  bench.console.line("{}", robustness_table(robust, task, config));
  return robust;
}

}  // namespace dsd
