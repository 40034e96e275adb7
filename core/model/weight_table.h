#pragma once
// A family's table of weights: our name, shape and use of each, and the checkpoint's tensors that it is stacked from.
// Allocation, reading, random values, copies between models and writing all walk this table and know no family.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/random.h"
#include "core/formats/checkpoint.h"
#include "core/types/weight.h"

namespace dsd {

struct ModelOptions;

enum class WeightUse {
  look_up,  // rows are read by index
  product,  // a matrix in an encoder's product: it has a bf16 shadow where those are wanted
  head,     // a matrix that few rows see; fp32 always
  gain,     // of a norm: 1 at random, never decays
  bias,     // 0 at random, never decays
};

// A tensor of a checkpoint: so many rows of a weight, which stacks them along its first axis.
struct CheckpointTensor {
  std::string name;
  std::int64_t rows = 0;
};

inline constexpr int kNoLayer = -1;

struct WeightEntry {
  std::string stem;  // within its layer: "attention.qkv.weight"; of the whole model otherwise: "classifier.weight"
  int layer = kNoLayer;
  Weight* weight = nullptr;
  std::vector<std::int64_t> shape;
  WeightUse use = WeightUse::product;
  std::vector<CheckpointTensor> tensors;
  bool of_head = false;          // drawn at random where a checkpoint lacks it
  bool sparse_gradient = false;  // few of its rows are read in a step
  std::int64_t applied = 1;      // times that a forward applies it: layers that share it

  std::string name() const;  // "layer.3.attention.qkv.weight"
};
using WeightTable = std::vector<WeightEntry>;

std::vector<Parameter> parameters_of(std::span<const WeightEntry> table);

// Masters without values, on the options' device and of its dtype.
void allocate_weights(std::span<const WeightEntry> table, const ModelOptions& options);

// After the values: leaves of autograd with their gradients, and shadows, as the options say.
void finish_weights(std::span<const WeightEntry> table, const ModelOptions& options);

// Draws entry `index` of the table: its numbers depend on (random, index) alone.
void draw_weight(std::span<const WeightEntry> table, std::size_t index, double deviation, const RandomKey& random);

// Finds a checkpoint's tensor under any of the names that stand for it; null when there is none.
using FindTensor = std::function<const TensorInfo*(const std::string& name)>;

// What one entry needs is there in full, or none of it; Error when some of it lacks or a shape differs.
bool is_present(const WeightEntry& entry, const FindTensor& find, const std::string& source);

// Copies a present entry's values, converted to the master's dtype.
void read_weight(const WeightEntry& entry, const FindTensor& find, const std::string& source);

// Lets a look-up table of a frozen fp32 model on the CPU be a view of the mapped file, of which only the rows that are
// read take memory. False when its bytes do not allow that; `owner` keeps the map alive.
bool map_weight(const WeightEntry& entry, const FindTensor& find, const std::shared_ptr<const void>& owner);

}  // namespace dsd
