#include "cli/robustness_report.h"

#include <algorithm>

#include <fmt/format.h>

namespace dsd {

std::string robustness_table(const std::vector<RobustModel>& models, const Task& task, const RobustnessConfig& config) {
  std::size_t width = 5;
  for (const auto& model : models) width = std::max(width, model.name.size());
  std::string text = fmt::format("{:<{}}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}\n", "model", width, "clean", "attacked",
                                 "lost", "misspelt", "lost");
  for (const auto& [name, score] : models)
    text += fmt::format("{:<{}}  {:8.4f}  {:8.4f}  {:8.4f}  {:8.4f}  {:8.4f}\n", name, width, score.clean,
                        score.attacked, score.clean - score.attacked, score.misspelt, score.clean - score.misspelt);
  return text + fmt::format(
                    "{} {}; attacked: {} steps of PGD on each model's own embeddings within L2 {:g} an example; "
                    "misspelt: a slip in {:g} % of the words\n",
                    task.name, name_of(task.metrics.front()), config.steps, config.radius, 100 * config.characters);
}

Json robustness_json(const Robustness& score) {
  return {{"clean", score.clean}, {"attacked", score.attacked}, {"misspelt", score.misspelt}};
}

}  // namespace dsd
