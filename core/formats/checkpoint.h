#pragma once
// The weights of a model: model.safetensors in its folder, the shards that model.safetensors.index.json names, or one
// GGUF file, as one table of tensors under Hugging Face names over memory maps; and the writer of a folder's weights.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/hash.h"
#include "core/formats/safetensors.h"

namespace dsd {

// Copies share the maps; a TensorInfo and its bytes live as long as one copy, or as what owner() gave. Its values are
// read by read_rows (tensor_info.h) whatever its type; `bytes` are values in order only where is_plain says so.
class Checkpoint {
 public:
  // A model's folder, a safetensors file or a GGUF file.
  static Checkpoint open(const std::filesystem::path& path);

  const std::filesystem::path& folder() const { return folder_; }  // as it was opened: a file where it is one
  std::span<const std::string> names() const { return names_; }    // sorted
  const TensorInfo* find(std::string_view name) const;             // null when there is none
  const TensorInfo& at(std::string_view name) const;               // Error naming folder and tensor
  std::uint64_t total_bytes() const;                               // of all tensors
  std::shared_ptr<const void> owner() const { return owner_; }

  // Of names, dtypes, shapes and bytes; the same however the tensors are spread over files. Reads every byte.
  Key128 content_hash() const;

 private:
  static Checkpoint of_folder(const std::filesystem::path& folder);
  static Checkpoint of_tensors(const std::filesystem::path& file, std::shared_ptr<const void> owner,
                               std::span<const TensorInfo> tensors);

  std::filesystem::path folder_;
  std::shared_ptr<const void> owner_;  // of the tensors and their maps
  std::vector<std::string> names_;
  std::vector<const TensorInfo*> tensors_;  // beside names_
};

// The same for tensors that are sorted by name.
Key128 content_hash(std::span<const TensorInfo* const> tensors);

inline constexpr std::uint64_t kShardBytes = 5'000'000'000;  // what the hub's tools cut at

// model.safetensors, or shards of at most `shard_bytes` (a larger tensor has one to itself) with their index. The
// folder exists; tensors keep the given order when they are spread over shards.
void write_checkpoint(const std::filesystem::path& folder, std::span<const TensorToWrite> tensors,
                      const Metadata& metadata, std::uint64_t shard_bytes = kShardBytes);

}  // namespace dsd
