// `dsdistill inspect`: what a checkpoint holds, as its files say it: no model is built, so any architecture will do.
#include <algorithm>
#include <map>

#include "cli/commands.h"
#include "cli/preset_report.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/checkpoint.h"
#include "core/formats/gguf_model.h"
#include "core/formats/json.h"
#include "core/formats/locate.h"
#include "core/formats/tokenizer_files.h"
#include "core/recipe/preset.h"
#include "core/recipe/shelf.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr const char* kChecksum = "MurmurHash3 x64 128 of the names, types, shapes and bytes of all tensors";

struct Inspected {
  fs::path path;
  std::string format;
  std::string architecture;
  std::vector<const TensorInfo*> tensors;  // by name
  std::shared_ptr<const void> owner;
};

struct Total {
  std::int64_t tensors = 0, parameters = 0;
  std::uint64_t bytes = 0;
};

void sort_by_name(std::vector<const TensorInfo*>& tensors) { std::ranges::sort(tensors, {}, &TensorInfo::name); }

// What a config says of a model's size, of the keys that it has.
std::string sizes_text(const Json& config) {
  constexpr std::pair<const char*, const char*> kSizes[] = {
      {"num_hidden_layers", "layers"},         {"hidden_size", "hidden"},
      {"intermediate_size", "intermediate"},   {"num_attention_heads", "heads"},
      {"num_key_value_heads", "key heads"},    {"vocab_size", "vocabulary"},
      {"max_position_embeddings", "positions"}};
  std::string text;
  for (const auto& [key, name] : kSizes)
    if (const auto found = config.find(key); found != config.end() && found->is_number_integer())
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, found->dump());
  return text;
}

std::string architecture_of(const Json& config) {
  std::string name = "not stated";
  if (const auto type = config.find("model_type"); type != config.end() && type->is_string()) name = brief(*type);
  const auto classes = config.find("architectures");
  if (classes != config.end() && classes->is_array() && !classes->empty() && classes->front().is_string())
    name += fmt::format(" ({})", brief(classes->front()));
  const std::string sizes = sizes_text(config);
  return sizes.empty() ? name : fmt::format("{}: {}", name, sizes);
}

// The sizes only where the architecture is one that we can name.
std::string architecture_of(const GgufFile& file) {
  const std::string name(GgufKeys(file).text("general.architecture", "not stated"));
  try {
    return architecture_of(parse_json(hugging_face_config(file), file.source()));
  } catch (const Error&) {
    return brief(name);
  }
}

Inspected inspect_gguf(const fs::path& path) {
  const auto file = std::make_shared<const GgufFile>(GgufFile::open(path));
  Inspected found{.path = path,
                  .format = fmt::format("GGUF version {}", file->version()),
                  .architecture = architecture_of(*file),
                  .tensors = {},
                  .owner = file};
  for (const TensorInfo& tensor : file->tensors()) found.tensors.push_back(&tensor);
  sort_by_name(found.tensors);
  return found;
}

Inspected inspect_checkpoint(const fs::path& path) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  Inspected found{
      .path = path, .format = "safetensors", .architecture = "not stated", .tensors = {}, .owner = checkpoint.owner()};
  for (const std::string& name : checkpoint.names()) found.tensors.push_back(checkpoint.find(name));
  if (const fs::path config = path / "config.json"; fs::exists(config)) {
    const Json json = parse_json(read_text(config), config.string());
    if (!json.is_object()) fail("{}: holds no JSON object; expected a model's config", config.string());
    found.architecture = architecture_of(json);
  }
  return found;
}

// A file, or a folder of weights without a config, is taken as it is; all else is looked up as a model.
fs::path resolved(const std::string& name) {
  const fs::path path(name);
  if (fs::is_regular_file(path)) return path;
  for (const char* weights : {"model.safetensors", "model.safetensors.index.json"})
    if (fs::exists(path / weights)) return path;
  return locate_model(name);
}

std::map<std::string, Total> totals_of(const Inspected& found) {
  std::map<std::string, Total> totals;
  for (const TensorInfo* tensor : found.tensors) {
    Total& total = totals[std::string(dtype_name(tensor->dtype))];
    total.tensors += 1;
    total.parameters += tensor->elements();
    total.bytes += tensor->bytes.size();
  }
  return totals;
}

Total sum(const std::map<std::string, Total>& totals) {
  Total all;
  for (const auto& [name, total] : totals) {
    all.tensors += total.tensors;
    all.parameters += total.parameters;
    all.bytes += total.bytes;
  }
  return all;
}

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

void print_tensors(const Inspected& found) {
  std::size_t name_width = 4, shape_width = 5;
  for (const TensorInfo* tensor : found.tensors) {
    name_width = std::max(name_width, brief(tensor->name).size());
    shape_width = std::max(shape_width, shape_text(tensor->shape).size());
  }
  for (const TensorInfo* tensor : found.tensors)
    fmt::print("{:<{}}  {:<7}  {:<{}}  {:>12}\n", brief(tensor->name), name_width, dtype_name(tensor->dtype),
               shape_text(tensor->shape), shape_width, tensor->bytes.size());
}

void print(const Inspected& found, const Key128& checksum) {
  print_tensors(found);
  const auto totals = totals_of(found);
  const Total all = sum(totals);
  fmt::print("\nfile          {} ({})\n", found.path.string(), found.format);
  fmt::print("architecture  {}\n", found.architecture);
  fmt::print("parameters    {} in {} tensors, {:.1f} MB\n", all.parameters, all.tensors, megabytes(all.bytes));
  for (const auto& [name, total] : totals)
    fmt::print("  {:<10}  {} in {} tensors, {:.1f} MB\n", name, total.parameters, total.tensors,
               megabytes(total.bytes));
  fmt::print("checksum      {} ({})\n", checksum.hex(), kChecksum);
}

Json to_json(const Total& total) {
  return {{"tensors", total.tensors}, {"parameters", total.parameters}, {"bytes", total.bytes}};
}

Json to_json(const Inspected& found, const Key128& checksum) {
  Json tensors = Json::array(), by_type = Json::object();
  for (const TensorInfo* tensor : found.tensors)
    tensors.push_back({{"name", tensor->name},
                       {"dtype", dtype_name(tensor->dtype)},
                       {"shape", tensor->shape},
                       {"bytes", tensor->bytes.size()}});
  const auto totals = totals_of(found);
  for (const auto& [name, total] : totals) by_type[name] = to_json(total);
  return {{"path", found.path.string()},           {"format", found.format},
          {"architecture", found.architecture},    {"totals", to_json(sum(totals))},
          {"totals_by_dtype", std::move(by_type)}, {"checksum", {{"value", checksum.hex()}, {"of", kChecksum}}},
          {"tensors", std::move(tensors)}};
}

// A tensor's values as fp32, some rows at a time.
TensorToWrite dequantised(const TensorInfo& tensor, const std::string& source) {
  return {tensor.name, Dtype::f32, tensor.shape, [&tensor, source](const Sink& sink) {
            constexpr std::int64_t kValues = std::int64_t{1} << 20;
            const std::int64_t width = tensor.rows() == 0 ? 0 : tensor.elements() / tensor.rows();
            const bool by_rows = tensor.shape.size() > 1 && width > 0;
            const std::int64_t step = by_rows ? std::max<std::int64_t>(1, kValues / width) : tensor.rows();
            std::vector<float> values;
            for (std::int64_t row = 0; row < tensor.rows(); row += step) {
              const std::int64_t count = std::min(step, tensor.rows() - row);
              values.resize(static_cast<std::size_t>(count * width));
              read_rows(tensor, row, count, values, source);
              sink({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
            }
          }};
}

void unpack(const fs::path& file, const fs::path& folder) {
  if (!is_gguf(file)) fail("{}: is no GGUF file; only such a file is unpacked", file.string());
  const Checkpoint checkpoint = Checkpoint::open(file);
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : checkpoint.names()) tensors.push_back(dequantised(checkpoint.at(name), file.string()));
  const GgufFile opened = GgufFile::open(file);
  write_folder_atomically(folder, false, [&](const fs::path& into) {
    write_atomically(into / "config.json", hugging_face_config(opened));
    if (GgufKeys(opened).has("tokenizer.ggml.model")) copy_tokenizer_files(file, into);
    write_checkpoint(into, tensors, {{"format", "pt"}});
  });
}

// A file of YAML, or the name of a preset that no folder here has.
std::optional<fs::path> preset_file(const std::string& name) {
  const fs::path path(name);
  if (path.extension() == ".yaml") return find_preset(name);
  const auto ready = ready_presets();
  const bool named = std::ranges::find(ready, name, &ShelfEntry::name) != ready.end() && !fs::exists(path);
  return named ? std::optional(find_preset(name)) : std::nullopt;
}

int inspect_preset(const fs::path& path, const InspectOptions& options) {
  if (!options.unpack.empty()) fail_as(ExitCode::bad_input, "{}: a preset has no weights to unpack", path.string());
  const PresetReport report = preset_report(path, options.overrides);
  const Json json = {{"path", path.string()},
                     {"format", "preset"},
                     {"parameters", {{"stored", report.counts.stored}, {"effective", report.counts.effective}}}};
  if (!options.json.empty()) write_atomically(options.json, write_json(json));
  fmt::print("{}", report.text);
  return static_cast<int>(ExitCode::done);
}

}  // namespace

int run_inspect(const InspectOptions& options) {
  if (const auto preset = preset_file(options.path)) return inspect_preset(*preset, options);
  if (!options.overrides.empty())
    fail_as(ExitCode::bad_input, "{} holds weights, and '--set' changes a preset's sizes alone", options.path);
  const fs::path path = resolved(options.path);
  if (!options.unpack.empty()) unpack(path, options.unpack);
  const Inspected found = is_gguf(path) ? inspect_gguf(path) : inspect_checkpoint(path);
  const Key128 checksum = content_hash(found.tensors);
  if (!options.json.empty()) write_atomically(options.json, write_json(to_json(found, checksum)));
  print(found, checksum);
  return static_cast<int>(ExitCode::done);
}

}  // namespace dsd
