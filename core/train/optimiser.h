#pragma once
// AdamW over all parameters of a run. Look-up tables with a row gradient are updated row by row: a row whose update is
// deferred is replayed before it is next read, so that whenever it is read it holds the bits of the dense update.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/types/batch.h"
#include "core/types/weight.h"
#include "kernels/adamw.h"

namespace dsd {

struct AdamWSettings {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0.01;
};

class AdamW {
 public:
  // The weights must outlive it. fp32 masters; a gradient that is not there yet is allocated. A learning rate's factor
  // other than 1 is for dense parameters.
  AdamW(std::span<const Parameter> parameters, const AdamWSettings& settings);

  // Before each forward: the rows of look-up tables that it reads are brought up to date.
  void prepare(const Batch& batch);

  // Over all gradients as they stand; not finite when one of them is not.
  double gradient_norm() const;

  // Updates every parameter, writes shadows, clears gradients. `norm` is gradient_norm(); where it exceeds `clip_norm`
  // the gradients are scaled down to it.
  void step(double lr, double norm, std::optional<double> clip_norm);

  // A step that changes nothing: clears the gradients, and does not count.
  void skip();

  // Brings all rows up to date: before anything but a prepared forward reads the weights (evaluation, saving, export).
  // Doing it earlier or more often changes no bit.
  void flush();

  std::int64_t steps() const { return steps_; }  // applied ones

  // Means, squares and the number of steps, as views of the optimiser's memory, after a flush. A row that never had a
  // gradient is not written.
  std::vector<TensorToWrite> state();
  // The state of a file; the masters must be (or become) those that it was saved with.
  void restore(const SafetensorsFile& file);

  // Shadows anew from masters that something else has written.
  void refresh_shadows();

 private:
  struct Slot {
    Parameter parameter;
    Tensor mean, square;
    // For a table with a row gradient:
    std::vector<std::int32_t> last;     // the step since the last flush that each row is at
    std::vector<std::uint8_t> touched;  // had a gradient once: its moments may differ from 0

    Weight& weight() const { return *parameter.weight; }
    bool by_rows() const { return weight().row_gradient != nullptr; }
    std::span<const AdamStep> table(const std::array<std::vector<AdamStep>, 2>& tables) const {
      return tables[parameter.decays];
    }
  };

  std::int32_t now() const { return static_cast<std::int32_t>(tables_[0].size()) - 1; }
  void allocate_moments(Slot& slot);
  AdamStep step_of(double lr, bool decays) const;
  void append_step(double lr);
  void replay(Slot& slot, std::span<const std::int32_t> rows);
  void update_rows(Slot& slot, float gradient_scale);
  void restore_rows(Slot& slot, const SafetensorsFile& file);

  AdamWSettings config_;
  AdamSettings settings_;  // the same as the kernels read them
  std::vector<Slot> slots_;
  std::int64_t steps_ = 0;
  // Steps since the last flush, counted from 1 (entry 0 is unused): for parameters that do not decay, and that do.
  std::array<std::vector<AdamStep>, 2> tables_;
  std::vector<std::int32_t> rows_;  // reused
};

}  // namespace dsd
