#include "core/export/check.h"

#include <cmath>
#include <cstring>

#include "core/base/error.h"
#include "core/formats/checkpoint.h"
#include "losses/scores.h"

namespace dsd {
namespace {

void compare_classes(const Tensor& source, const Tensor& exported, Drift* drift, double* kl, double* equal) {
  const Tensor log_p = at::log_softmax(source, -1), log_q = at::log_softmax(exported, -1);
  *kl += (log_p.exp() * (log_p - log_q)).sum().item<double>();
  *equal += (source.argmax(-1) == exported.argmax(-1)).sum().item<double>();
  drift->rows += source.size(0);
}

void compare_values(const Tensor& source, const Tensor& exported, Drift* drift, double* squares, double* equal) {
  *squares += (source - exported).square().sum().item<double>();
  *equal += static_cast<double>(source.size(0));
  drift->rows += source.size(0);
}

}  // namespace

DriftBounds drift_bounds(at::ScalarType dtype) {
  if (dtype == at::kFloat) return {};
  return {.kl = 1e-2, .agreement = 0.98};  // rounding moves ties; a fault moves far more
}

void check_weights(Model& source, const std::filesystem::path& exported, at::ScalarType dtype) {
  const Checkpoint checkpoint = Checkpoint::open(exported);
  for (const auto& [name, value] : checkpoint_tensors(source)) {
    const TensorInfo& written = checkpoint.at(name);
    const Tensor rounded = value.detach().to(at::kCPU, dtype).contiguous();
    if (rounded.nbytes() != written.bytes.size() ||
        std::memcmp(rounded.const_data_ptr(), written.bytes.data(), rounded.nbytes()) != 0)
      fail_as(ExitCode::refused, "{}: '{}' differs from its source on reading back", exported.string(), name);
  }
}

Drift measure_drift(Model& source, Model& exported, const std::function<std::optional<Batch>()>& next) {
  const at::NoGradGuard no_grad;
  Drift drift;
  double divergence = 0, equal = 0;
  while (const auto batch = next()) {
    const Outputs of_source = source.forward(*batch, {}, {}), of_exported = exported.forward(*batch, {}, {});
    const Scores &before = of_source.heads.at(0), &after = of_exported.heads.at(0);
    const std::int64_t rows = row_count(before);
    for (std::int64_t begin = 0; begin < rows; begin += kTileRows) {
      const std::int64_t count = std::min(kTileRows, rows - begin);
      const Tensor p = tile_logits(before, begin, count).to(at::kDouble);
      const Tensor q = tile_logits(after, begin, count).to(at::kDouble);
      const double difference = (p - q).abs().max().item<double>();
      if (!std::isfinite(difference)) drift.largest_difference = INFINITY;
      drift.largest_difference = std::max(drift.largest_difference, difference);
      (p.size(-1) == 1 ? compare_values : compare_classes)(p, q, &drift, &divergence, &equal);
    }
  }
  if (drift.rows == 0) fail("the sample holds no text to compare the export on");
  drift.kl = divergence / static_cast<double>(drift.rows);
  drift.agreement = equal / static_cast<double>(drift.rows);
  return drift;
}

void require_faithful(const Drift& drift, const DriftBounds& bounds) {
  // Written so that a NaN is refused.
  const bool faithful = drift.kl <= bounds.kl + 1e-12 && drift.agreement >= bounds.agreement;
  if (!faithful)
    fail_as(ExitCode::refused,
            "the export drifts from its source over {} rows: KL {:.3g} (at most {:.3g}), agreement {:.4f} (at least "
            "{:.4f}); "
            "nothing was written",
            drift.rows, drift.kl, bounds.kl, drift.agreement, bounds.agreement);
}

}  // namespace dsd
