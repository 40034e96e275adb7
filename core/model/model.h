#pragma once
// What a loss, a trainer or an evaluator knows of a model. A family (BERT now) is a config, a table of tensor names and
// an assembly of blocks behind this interface.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/formats/checkpoint.h"
#include "core/formats/hf_config.h"
#include "core/model/weight_table.h"
#include "core/types/batch.h"
#include "core/types/outputs.h"
#include "core/types/weight.h"

namespace dsd {

class Model {
 public:
  virtual ~Model() = default;

  // Packed rows in, scores and captures out. Only what is wanted is computed: where no capture reads the last layer,
  // its queries, MLP and norms are made for the rows that the heads read, and for no other.
  virtual Outputs forward(const Batch& batch, const Wanted& wanted, const Pass& pass) = 0;

  // The word look-up of a stream, [T, H]: what an adversary perturbs and hands back in Pass::embeddings.
  virtual Tensor embed(const Batch& batch, int stream) = 0;

  virtual std::span<Parameter> parameters() = 0;
  virtual const ModelConfig& config() const = 0;

  // Room for `capacity` tokens of each sequence; Error for a model that cannot go on with a text.
  virtual KvCache make_cache(std::int64_t sequences, std::int64_t capacity) const;

  // How its parameters stand in a checkpoint; empty for a model that no checkpoint holds.
  virtual std::span<const WeightEntry> weights() const { return {}; }

  std::int64_t parameter_count();
};

enum class HeadKind { classes, values, masked_tokens, next_token, none };

struct ModelOptions {
  HeadKind head = HeadKind::classes;
  std::int64_t outputs = 2;           // classes; 1 for values; not read for the other heads
  at::ScalarType dtype = at::kFloat;  // float64 in tests
  at::Device device = at::kCPU;
  bool trainable = true;  // master.grad() is allocated, a sparse gradient for word embeddings on a CPU
  bool shadow = false;    // bf16 copies of the weights of products
};

// The head that a config states (its architectures, problem type and labels), with a frozen model's options.
ModelOptions frozen_options(const ModelConfig& config);

// Reads a checkpoint. Tensors that the head needs and the checkpoint lacks (or has for another number of labels) are
// drawn from `random` (normal, deviation config.initializer_range; biases 0) and named in `fresh`; without `fresh` they
// are an Error, as any other missing or wrongly shaped tensor is.
std::unique_ptr<Model> load_model(const std::filesystem::path& folder, const ModelOptions& options,
                                  const RandomKey& random, std::vector<std::string>* fresh);

// The same with a config in place of the folder's own: other labels, another dropout.
std::unique_ptr<Model> load_model(const std::filesystem::path& folder, const ModelConfig& config,
                                  const ModelOptions& options, const RandomKey& random,
                                  std::vector<std::string>* fresh);

// A frozen model with the head that its config states, all of it from the checkpoint.
std::unique_ptr<Model> load_frozen_model(const std::filesystem::path& folder, bool shadow = false,
                                         at::Device device = at::kCPU);

// A model of the given config with random weights.
std::unique_ptr<Model> random_model(const ModelConfig& config, const ModelOptions& options, const RandomKey& random);

// A student of `config`: layer i of its weights is layer `layers[i]` of `source`, embeddings and pooler are copied too;
// what differs in shape is drawn from `random` and named in `fresh`. The head is copied when its shape agrees and
// copy_head.
std::unique_ptr<Model> student_model(Model& source, const ModelConfig& config, std::span<const std::int64_t> layers,
                                     bool copy_head, const ModelOptions& options, const RandomKey& random,
                                     std::vector<std::string>* fresh);

// What a weight of the student takes of the source's weight of the same name: a tensor of the student's shape.
using TakeWeight = std::function<Tensor(const WeightEntry& source)>;

// The same with weights that are cut: what fits after `take` is copied.
std::unique_ptr<Model> student_model(Model& source, const ModelConfig& config, std::span<const std::int64_t> layers,
                                     bool copy_head, const TakeWeight& take, const ModelOptions& options,
                                     const RandomKey& random, std::vector<std::string>* fresh);

// The checkpoint's view of a model: Hugging Face names and shapes, each a contiguous piece of a master weight.
struct NamedTensor {
  std::string name;
  Tensor value;
};
std::vector<NamedTensor> checkpoint_tensors(Model& model);

// Writes config.json and model.safetensors (dtype: fp32, bf16 or fp16) into a folder that exists.
void save_model(Model& model, const std::filesystem::path& folder, at::ScalarType dtype);

}  // namespace dsd
