#pragma once
// What `train` measures of its student once it is trained.

#include <vector>

#include "cli/robustness_report.h"
#include "cli/training_run.h"

namespace dsd {

// The student as it lies in its folder, then the teacher, where there is one; printed. Nothing where the recipe does
// not ask for it (eval.robustness).
std::vector<RobustModel> score_robustness(const Recipe& recipe, RunModels& models, const Workbench& bench,
                                          const std::filesystem::path& student);

}  // namespace dsd
