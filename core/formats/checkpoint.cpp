#include "core/formats/checkpoint.h"

#include <algorithm>
#include <map>

#include "core/base/error.h"
#include "core/formats/gguf_model.h"
#include "core/formats/json.h"
#include "core/formats/locate.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMostIndexBytes = std::size_t{1} << 28;

// A pickle can run any code when it is read, so it is converted once, by the tool that made it, with code shut out.
constexpr const char* kConvertPickles =
    "import sys, glob, torch; from safetensors.torch import save_file; d = sys.argv[1]; "
    "save_file({k: v.contiguous().clone() for f in sorted(glob.glob(glob.escape(d) + '/pytorch_model*.bin')) "
    "for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}, "
    "d + '/model.safetensors', {'format': 'pt'})";

bool is_pickle(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.starts_with("pytorch_model") && name.ends_with(".bin");
}

[[noreturn]] void fail_without_weights(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail("{}: no such folder", folder.string());
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (is_pickle(entry.path()))
      fail("{}: is a pickle, which may run code when it is read; convert it once with: python3 -c \"{}\" {}",
           entry.path().string(), kConvertPickles, shell_quoted(fs::absolute(folder).string()));
  fail("{}: has no weights; expected {} or {}", folder.string(), kWeights, kIndex);
}

using WeightMap = std::map<std::string, std::string>;  // tensor to shard

WeightMap read_index(const fs::path& path) {
  const std::string source = path.string();
  const Json index = parse_json(read_text(path, kMostIndexBytes), source);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (map == index.end() || !map->is_object())
    fail("{}: 'weight_map' is missing or no object; expected tensor names with the files they lie in", source);
  WeightMap result;
  for (const auto& [name, shard] : map->items()) {
    if (!shard.is_string())
      fail("{}: tensor '{}' lies in {}; expected the name of a file", source, brief(name), brief(shard));
    const std::string& file = shard.get_ref<const std::string&>();
    if (!is_inside(file))
      fail("{}: tensor '{}' lies in '{}', outside the model's folder; that is not followed", source, brief(name),
           brief(shard));
    result.emplace(name, file);
  }
  if (result.empty()) fail("{}: 'weight_map' names no tensor", source);
  return result;
}

std::vector<SafetensorsFile> open_shards(const fs::path& folder, const WeightMap& map,
                                         std::map<std::string, std::size_t>& places) {
  std::vector<SafetensorsFile> files;
  for (const auto& [name, shard] : map) {
    if (!places.emplace(shard, files.size()).second) continue;
    std::error_code error;
    if (!fs::exists(folder / shard, error))
      fail("{}: is missing, but {} says that tensor '{}' lies in it; fetch the model again", (folder / shard).string(),
           kIndex, brief(name));
    files.push_back(SafetensorsFile::open(folder / shard));
  }
  return files;
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return of_folder(path);
  if (is_gguf(path)) {
    struct Opened {
      GgufFile file;
      std::vector<TensorInfo> tensors;
    };
    auto opened = std::make_shared<Opened>(GgufFile::open(path));
    opened->tensors = hugging_face_tensors(opened->file);
    const std::span<const TensorInfo> tensors = opened->tensors;
    return of_tensors(path, std::move(opened), tensors);
  }
  const auto file = std::make_shared<const SafetensorsFile>(SafetensorsFile::open(path));
  return of_tensors(path, file, file->tensors());
}

Checkpoint Checkpoint::of_tensors(const fs::path& file, std::shared_ptr<const void> owner,
                                  std::span<const TensorInfo> tensors) {
  Checkpoint checkpoint;
  checkpoint.folder_ = file;
  checkpoint.owner_ = std::move(owner);
  for (const TensorInfo& tensor : tensors) checkpoint.tensors_.push_back(&tensor);
  std::ranges::sort(checkpoint.tensors_, {}, &TensorInfo::name);
  for (const TensorInfo* tensor : checkpoint.tensors_) checkpoint.names_.push_back(tensor->name);
  return checkpoint;
}

Checkpoint Checkpoint::of_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / kWeights, error)) {
    const auto file = std::make_shared<const SafetensorsFile>(SafetensorsFile::open(folder / kWeights));
    return of_tensors(folder, file, file->tensors());
  }
  if (!fs::exists(folder / kIndex, error)) fail_without_weights(folder);
  const WeightMap map = read_index(folder / kIndex);
  std::map<std::string, std::size_t> places;  // file name to index
  const auto files = std::make_shared<const std::vector<SafetensorsFile>>(open_shards(folder, map, places));

  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  checkpoint.owner_ = files;
  for (const auto& [name, file_name] : map) {
    const SafetensorsFile& file = (*files)[places.at(file_name)];
    const TensorInfo* tensor = file.find(name);
    if (tensor == nullptr)
      fail("{}: tensor '{}' is not in it, but {} says so; fetch the model again", file.source(), brief(name), kIndex);
    checkpoint.names_.push_back(name);
    checkpoint.tensors_.push_back(tensor);
  }
  return checkpoint;
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
  const auto found = std::lower_bound(names_.begin(), names_.end(), name);
  if (found == names_.end() || *found != name) return nullptr;
  return tensors_[static_cast<std::size_t>(found - names_.begin())];
}

const TensorInfo& Checkpoint::at(std::string_view name) const {
  const TensorInfo* tensor = find(name);
  if (tensor == nullptr) fail("{}: its weights have no tensor '{}'", folder_.string(), name);
  return *tensor;
}

std::uint64_t Checkpoint::total_bytes() const {
  std::uint64_t total = 0;
  for (const TensorInfo* tensor : tensors_) total += tensor->bytes.size();
  return total;
}

Key128 Checkpoint::content_hash() const { return dsd::content_hash(tensors_); }

Key128 content_hash(std::span<const TensorInfo* const> tensors) {
  Hasher hasher;
  for (const TensorInfo* tensor : tensors) {
    hasher.text(tensor->name).text(dtype_name(tensor->dtype));
    hasher.values(std::span<const std::int64_t>(tensor->shape)).values(tensor->bytes);
    if (tensor->interleaved_rows > 0) hasher.number(static_cast<std::uint64_t>(tensor->interleaved_rows));
  }
  return hasher.key();
}

}  // namespace dsd
