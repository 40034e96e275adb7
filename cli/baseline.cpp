#include "cli/baseline.h"

namespace dsd {
namespace {

// The same student, start and budget, on hard labels alone.
Recipe baseline_of(const Recipe& recipe, std::int64_t steps) {
  Recipe baseline = recipe;
  baseline.losses.soft_weight = 0;
  baseline.losses.hard_weight = 1;
  baseline.losses.features.clear();
  baseline.adversary.reset();
  baseline.data.augment.reset();
  baseline.data.unlabelled.clear();
  if (baseline.data.curriculum && baseline.data.curriculum->by != Difficulty::length) baseline.data.curriculum.reset();
  baseline.train.epochs = 1e9;  // max_steps ends it
  baseline.train.max_steps = steps;
  return baseline;
}

}  // namespace

TrainResult train_baseline(const Recipe& recipe, std::int64_t steps, const Workbench& bench,
                           const std::filesystem::path& run) {
  const Recipe labels_only = baseline_of(recipe, steps);
  bench.console.line("baseline  the same student on labels alone, {} steps", steps);
  RunData labelled = load_data(labels_only, Tokenizer::load(bench.tokenizer));
  Workbench own{bench.console, bench.stop, labelled, bench.tokenizer, bench.threads, bench.allow_drift};
  RunModels models = load_models(labels_only, labelled);
  const RunFolder folder = open_run(run / "baseline", labels_only, std::filesystem::exists(run / "baseline"));
  return train_in_folder(labels_only, models, own, folder).trained;
}

}  // namespace dsd
