#pragma once
// Checkpoints of a run: checkpoints/step-000120/ with state.json, weights.safetensors, optimiser.safetensors and, where
// a loss has something to remember, losses.safetensors. A folder appears whole or not at all, and nothing of it is used
// before its checksums have been compared.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/train/optimiser.h"
#include "losses/loss.h"

namespace dsd {

// Where a run stands. The loader's place and the schedules' state follow from the step: both are pure functions of it.
struct CheckpointMeta {
  std::int64_t step = 0;
  std::int64_t store_length = 0;  // records of the remembered teacher's store
  std::optional<double> best_score;
  std::int64_t best_step = 0;
  std::optional<double> plateau_score;  // that the next one must gain on, and evaluations since it was reached
  std::int64_t plateau_evaluations = 0;
  int threads = 0;     // another number sums in another order
  std::string recipe;  // hash of the effective recipe
  std::string data;    // Dataset::fingerprint of the training examples

  bool operator==(const CheckpointMeta&) const = default;
};

// Writes the checkpoint of meta.step, straight from the tensors' memory, then removes all but the last two and the one
// of meta.best_step. When it fails (a full disk) the earlier ones are as they were. `parameters` are all weights of
// the student, frozen ones included; it flushes the optimiser. `losses` is the objective's state.
void save_checkpoint(const std::filesystem::path& run, const CheckpointMeta& meta,
                     std::span<const Parameter> parameters, AdamW& optimiser, const State& losses = {});

// A checkpoint whose checksums agree.
struct LoadedCheckpoint {
  std::filesystem::path folder;
  CheckpointMeta meta;
  SafetensorsFile weights, optimiser;
  std::optional<SafetensorsFile> losses;  // none where no loss had anything to remember

  // Puts the weights, their shadows and the optimiser's state in place; Error, naming the tensor, for another model's.
  void restore(std::span<const Parameter> parameters, AdamW& into) const;
  State losses_state() const;
};

// The newest checkpoint that is whole; each damaged one is reported in a line, and the one before is tried. None when
// the run has no checkpoint. Error when all are damaged, and NewerVersion for one of a later format.
std::optional<LoadedCheckpoint> newest_checkpoint(const std::filesystem::path& run,
                                                  const std::function<void(std::string_view)>& report);

}  // namespace dsd
