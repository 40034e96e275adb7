#pragma once
// The read-back of an export: the folder is loaded again as anyone would load it and compared with its source, tensor
// by tensor and on real text.

#include <filesystem>
#include <functional>

#include "core/model/model.h"

namespace dsd {

struct Drift {
  std::int64_t rows = 0;
  double largest_difference = 0;  // between logits
  double kl = 0;                  // mean KL(source || export) over rows; mean squared difference for values
  double agreement = 1;           // share of rows with the same class; 1 for values
};

// Most drift that is let through. fp32 must be exact.
struct DriftBounds {
  double kl = 0;
  double agreement = 1;
};
DriftBounds drift_bounds(at::ScalarType dtype);

// Every tensor of `exported` must be, to the bit, the source's value rounded to `dtype`. Error naming the first that is
// not.
void check_weights(Model& source, const std::filesystem::path& exported, at::ScalarType dtype);

// Runs both over the batches that `next` gives until it gives none.
Drift measure_drift(Model& source, Model& exported, const std::function<std::optional<Batch>()>& next);

// Error with ExitCode::refused, figures and bounds, when the drift is beyond them.
void require_faithful(const Drift& drift, const DriftBounds& bounds);

}  // namespace dsd
