#pragma once
// Bytes a run needs at its peak, told before it starts: from the models' shapes, the largest micro-batch of the plan
// and what LibTorch itself takes. An estimate; `train --dry-run` prints the measured peak beside it.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/data/plan.h"
#include "core/model/model.h"
#include "core/recipe/recipe.h"

namespace dsd {

struct MemoryPlan {
  std::vector<std::pair<std::string, double>> parts;  // name, bytes
  double total() const;
  std::string largest() const;  // name of the part that takes most
};

struct PlannedRun {
  Model* student = nullptr;
  Model* teacher = nullptr;  // null: none
  std::int64_t micro_batch_tokens = 0;
  std::int64_t examples = 0, tokens = 0;  // of the training set
  std::int64_t rows = 0;                  // of it that a head reads: one an example, or a language model's targets
  std::int64_t row_bytes = 0;             // that are remembered of each
  std::int64_t token_bytes = 0;           // and of each token, for losses on features
  std::int64_t vocabulary = 0;            // a head over so many tokens, whose scores exist by tiles; 0: a small head
  bool bf16 = false, remember = false;
  std::int64_t budget_mib = 0;
};

MemoryPlan plan_memory(const PlannedRun& run);

// Tokens of the largest micro-batch among the first steps of the plan (at most `steps`), cut as micro_batches does.
std::int64_t largest_micro_batch(const Dataset& data, Plan& plan, std::int64_t most_tokens, std::int64_t pool,
                                 std::int64_t steps);

// Peak resident memory of this process so far, bytes (VmHWM).
double peak_memory();

}  // namespace dsd
