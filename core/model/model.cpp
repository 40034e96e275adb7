#include "core/model/model.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/model/families/bert.h"
#include "core/model/families/decoder.h"
#include "core/model/families/expert_decoder.h"
#include "core/model/families/llama.h"
#include "core/model/families/remote_code.h"

namespace dsd {
namespace {

constexpr const char* kPoolerWeight = "pooler.dense.weight";

double initial_deviation(const ModelConfig& config) {
  return std::visit([](const auto& family) { return family.initializer_range; }, config.family);
}

// What the family's functions do, chosen by the config's alternative. A bare encoder has a pooler only where its source
// has.
std::unique_ptr<Model> make_model(const BertConfig&, const ModelConfig& config, const ModelOptions& options,
                                  bool pooler) {
  const bool classifies = options.head == HeadKind::classes || options.head == HeadKind::values;
  if (classifies && options.outputs < 1) fail("a head needs at least one output, not {}", options.outputs);
  const BertParts parts{.head = options.head,
                        .outputs = classifies ? options.outputs : 0,
                        .pooler = classifies || (options.head == HeadKind::none && pooler)};
  return std::make_unique<Bert>(config, options, parts);
}

std::unique_ptr<Model> make_model(const LlamaConfig&, const ModelConfig& config, const ModelOptions& options, bool) {
  return std::make_unique<Llama>(config, options);
}

std::unique_ptr<Model> make_model(const ExpertDecoderConfig&, const ModelConfig& config, const ModelOptions& options,
                                  bool) {
  return std::make_unique<ExpertDecoder>(config, options);
}

std::unique_ptr<Model> make_model(const ModelConfig& config, const ModelOptions& options, bool pooler) {
  return std::visit([&](const auto& family) { return make_model(family, config, options, pooler); }, config.family);
}

const TensorInfo* find_tensor(const BertConfig&, const Checkpoint& checkpoint, const std::string& name) {
  return find_bert_tensor(checkpoint, name);
}

template <class Decoder>
const TensorInfo* find_tensor(const Decoder&, const Checkpoint& checkpoint, const std::string& name) {
  return find_decoder_tensor(checkpoint, name);
}

void check_checkpoint(const LlamaConfig&, const Checkpoint& checkpoint, std::span<const WeightEntry> table) {
  check_decoder_checkpoint(checkpoint, table, {"layers."});
}

void check_checkpoint(const ExpertDecoderConfig&, const Checkpoint& checkpoint, std::span<const WeightEntry> table) {
  check_decoder_checkpoint(checkpoint, table, {"layers.", "stages.", "experts."});
}

void check_checkpoint(const BertConfig&, const Checkpoint& checkpoint, std::span<const WeightEntry> table) {
  check_bert_checkpoint(checkpoint, table);
}

// A checkpoint, and how the family spells its tensors.
struct Source {
  Checkpoint checkpoint;
  ModelConfig config;  // the folder's own
  FindTensor find;
};

Source open_source(const std::filesystem::path& folder) {
  ModelConfig config = read_model_config(folder);
  Checkpoint checkpoint = Checkpoint::open(folder);
  FindTensor find = [checkpoint, family = config.family](const std::string& name) {
    return std::visit([&](const auto& alternative) { return find_tensor(alternative, checkpoint, name); }, family);
  };
  return {std::move(checkpoint), std::move(config), std::move(find)};
}

// A head for another number of labels is another task's: it starts anew, like one that is missing.
bool is_for_other_labels(const WeightEntry& entry, const Source& source) {
  if (!entry.stem.starts_with("classifier.")) return false;
  const TensorInfo* info = source.find(entry.tensors[0].name);
  const auto stated = static_cast<std::int64_t>(source.config.head.labels.size());
  return info != nullptr && !info->shape.empty() && info->shape[0] == stated && stated != entry.shape[0];
}

void add_names(const WeightEntry& entry, std::vector<std::string>* names) {
  for (const CheckpointTensor& tensor : entry.tensors) names->push_back(tensor.name);
}

void read_weights(const Source& source, std::span<const WeightEntry> table, const ModelOptions& options,
                  double deviation, const RandomKey& random, std::vector<std::string>* fresh) {
  const std::string folder = source.checkpoint.folder().string();
  const bool maps = !options.trainable && options.dtype == at::kFloat && options.device.is_cpu();
  for (std::size_t i = 0; i < table.size(); ++i) {
    const WeightEntry& entry = table[i];
    if (!is_for_other_labels(entry, source) && is_present(entry, source.find, folder)) {
      if (!maps || !map_weight(entry, source.find, source.checkpoint.owner())) read_weight(entry, source.find, folder);
    } else if (fresh == nullptr) {
      fail("{}: has no '{}' of the shape {} that its head needs; fine-tune it for the task first", folder,
           entry.tensors[0].name, shape_text(entry.shape));
    } else {
      draw_weight(table, i, deviation, random);
      add_names(entry, fresh);
    }
  }
}

const WeightEntry* find_entry(std::span<const WeightEntry> table, const std::string& stem, int layer) {
  const auto found = std::ranges::find_if(table, [&](const auto& e) { return e.stem == stem && e.layer == layer; });
  return found == table.end() ? nullptr : &*found;
}

void check_layers(const ModelConfig& student, const ModelConfig& source, std::span<const std::int64_t> layers) {
  const std::int64_t needed = layer_count(student.family), there = layer_count(source.family);
  if (std::ssize(layers) != needed)
    fail("{} layers are named to start a student of {} layers from; name one for each", layers.size(), needed);
  for (const std::int64_t layer : layers)
    if (layer < 0 || layer >= there)
      fail("the student is to start from layer {}, but the model it starts from has layers 0 to {}", layer, there - 1);
}

Dtype file_dtype(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return Dtype::f32;
    case at::kBFloat16:
      return Dtype::bf16;
    case at::kHalf:
      return Dtype::f16;
    default:
      fail("weights are written as fp32, bf16 or fp16, not as {}", at::toString(dtype));
  }
}

void write_rounded(const NamedTensor& tensor, at::ScalarType dtype, const Sink& sink) {
  const Tensor rounded = tensor.value.detach().to(at::kCPU, dtype).contiguous();
  if (dtype == at::kHalf && !rounded.isfinite().all().item<bool>())
    fail("tensor '{}' holds values beyond fp16's largest, 65504; write bf16 or fp32 instead", tensor.name);
  sink({static_cast<const char*>(rounded.const_data_ptr()), rounded.nbytes()});
}

}  // namespace

std::int64_t Model::parameter_count() {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters()) count += parameter.weight->master.numel();
  return count;
}

KvCache Model::make_cache(std::int64_t, std::int64_t) const {
  fail("this model is an encoder: it reads a text whole and cannot go on with one");
}

ModelOptions frozen_options(const ModelConfig& config) {
  ModelOptions options{.head = HeadKind::none, .trainable = false};
  for (const std::string& name : config.head.architectures) {
    if (name.ends_with("ForSequenceClassification")) {
      const bool values = config.head.problem_type == ProblemType::regression;
      options.head = values ? HeadKind::values : HeadKind::classes;
      options.outputs = static_cast<std::int64_t>(config.head.labels.size());
    } else if (name.ends_with("ForMaskedLM") || name.ends_with("ForPreTraining")) {
      options.head = HeadKind::masked_tokens;
    } else if (name.ends_with("ForCausalLM")) {
      options.head = HeadKind::next_token;
    }
  }
  return options;
}

std::unique_ptr<Model> load_model(const std::filesystem::path& folder, const ModelOptions& options,
                                  const RandomKey& random, std::vector<std::string>* fresh) {
  return load_model(folder, read_model_config(folder), options, random, fresh);
}

std::unique_ptr<Model> load_model(const std::filesystem::path& folder, const ModelConfig& config,
                                  const ModelOptions& options, const RandomKey& random,
                                  std::vector<std::string>* fresh) {
  const Source source = open_source(folder);
  auto model = make_model(config, options, source.find(kPoolerWeight) != nullptr);
  const auto table = model->weights();
  std::visit([&](const auto& family) { check_checkpoint(family, source.checkpoint, table); }, config.family);
  read_weights(source, table, options, initial_deviation(config), random, fresh);
  finish_weights(table, options);
  return model;
}

std::unique_ptr<Model> load_frozen_model(const std::filesystem::path& folder, bool shadow, at::Device device) {
  const ModelConfig config = read_model_config(folder);
  ModelOptions options = frozen_options(config);
  options.shadow = shadow;
  options.device = device;
  return load_model(folder, config, options, {}, nullptr);
}

std::unique_ptr<Model> random_model(const ModelConfig& config, const ModelOptions& options, const RandomKey& random) {
  auto model = make_model(config, options, true);
  const auto table = model->weights();
  for (std::size_t i = 0; i < table.size(); ++i) draw_weight(table, i, initial_deviation(config), random);
  finish_weights(table, options);
  return model;
}

std::unique_ptr<Model> student_model(Model& source, const ModelConfig& config, std::span<const std::int64_t> layers,
                                     bool copy_head, const ModelOptions& options, const RandomKey& random,
                                     std::vector<std::string>* fresh) {
  const TakeWeight whole = [](const WeightEntry& origin) { return origin.weight->master; };
  return student_model(source, config, layers, copy_head, whole, options, random, fresh);
}

std::unique_ptr<Model> student_model(Model& source, const ModelConfig& config, std::span<const std::int64_t> layers,
                                     bool copy_head, const TakeWeight& take, const ModelOptions& options,
                                     const RandomKey& random, std::vector<std::string>* fresh) {
  const auto from = source.weights();
  auto model = make_model(config, options, find_entry(from, "pooler.weight", kNoLayer) != nullptr);
  const auto table = model->weights();
  check_layers(config, source.config(), layers);
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const WeightEntry& entry = table[i];
    const bool is_copied = copy_head || !entry.of_head || entry.stem.starts_with("pooler.");
    const int layer =
        entry.layer == kNoLayer ? kNoLayer : static_cast<int>(layers[static_cast<std::size_t>(entry.layer)]);
    const WeightEntry* origin = is_copied ? find_entry(from, entry.stem, layer) : nullptr;
    if (const Tensor taken = origin != nullptr ? take(*origin) : Tensor();
        taken.defined() && taken.sizes() == entry.shape) {
      entry.weight->master.copy_(taken);
    } else {
      draw_weight(table, i, initial_deviation(config), random);
      if (fresh != nullptr) add_names(entry, fresh);
    }
  }
  finish_weights(table, options);
  return model;
}

std::vector<NamedTensor> checkpoint_tensors(Model& model) {
  std::vector<NamedTensor> tensors;
  const at::NoGradGuard no_grad;
  for (const WeightEntry& entry : model.weights()) {
    std::int64_t row = 0;
    for (const CheckpointTensor& tensor : entry.tensors) {
      tensors.push_back({tensor.name, entry.weight->master.narrow(0, row, tensor.rows)});
      row += tensor.rows;
    }
  }
  return tensors;
}

void save_model(Model& model, const std::filesystem::path& folder, at::ScalarType dtype) {
  const std::vector<NamedTensor> tensors = checkpoint_tensors(model);
  if (tensors.empty()) throw std::logic_error("this kind of model has no form as a checkpoint");
  std::vector<TensorToWrite> writes;
  for (const NamedTensor& tensor : tensors)
    writes.push_back({.name = tensor.name,
                      .dtype = file_dtype(dtype),
                      .shape = tensor.value.sizes().vec(),
                      .write = [&tensor, dtype](const Sink& sink) { write_rounded(tensor, dtype, sink); }});
  write_checkpoint(folder, writes, {{"format", "pt"}});
  if (const auto code = remote_code(model.config().family))
    write_atomically(folder / code->name, std::string(code->text));
  write_atomically(folder / "config.json", write_model_config(model.config(), file_dtype(dtype)));
}

}  // namespace dsd
