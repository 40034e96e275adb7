#pragma once
// `train --baseline`: what the same student comes to on labels alone, so that the gain from distilling is measured.

#include "cli/training_run.h"

namespace dsd {

// Trains it in a folder of its own below the run's, for so many steps. A signal ends it as it ends the main run.
TrainResult train_baseline(const Recipe& recipe, std::int64_t steps, const Workbench& bench,
                           const std::filesystem::path& run);

}  // namespace dsd
