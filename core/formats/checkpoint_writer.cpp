#include <algorithm>

#include "core/base/error.h"
#include "core/formats/checkpoint.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

struct Shard {
  std::span<const TensorToWrite> tensors;
  std::uint64_t bytes = 0;
};

std::vector<Shard> cut(std::span<const TensorToWrite> tensors, std::uint64_t shard_bytes) {
  std::vector<Shard> shards;
  std::size_t start = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t more = dense_bytes(tensors[i].dtype, tensors[i].shape).value_or(0);  // the writer refuses those
    if (i > start && bytes + more > shard_bytes) {
      shards.push_back({tensors.subspan(start, i - start), bytes});
      start = i;
      bytes = 0;
    }
    bytes += more;
  }
  shards.push_back({tensors.subspan(start), bytes});
  return shards;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& folder, std::span<const TensorToWrite> tensors,
                      const Metadata& metadata, std::uint64_t shard_bytes) {
  const std::vector<Shard> shards = cut(tensors, shard_bytes);
  if (shards.size() == 1) {
    write_safetensors(folder / "model.safetensors", tensors, metadata);
    return;
  }
  std::uint64_t total = 0;
  std::map<std::string, std::string> files;  // sorted, as the hub's tools write it
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string file = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    for (const TensorToWrite& tensor : shards[i].tensors)
      if (!files.emplace(tensor.name, file).second) fail("tensor '{}' would be written twice", tensor.name);
    write_safetensors(folder / file, shards[i].tensors, metadata);
    total += shards[i].bytes;
  }
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", files}};
  write_atomically(folder / "model.safetensors.index.json", write_json(index));
}

}  // namespace dsd
