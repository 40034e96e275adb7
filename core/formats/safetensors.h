#pragma once
// safetensors files. The reader maps a file and hands out descriptors with spans into the map; a file is hostile until
// its header has been checked in full (lengths, shapes, offsets without gap or overlap). The writer streams, in the
// order and with the padding of the reference implementation.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/files.h"
#include "core/formats/dtype.h"
#include "core/formats/tensor_info.h"

namespace dsd {

using Metadata = std::map<std::string, std::string>;

class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::filesystem::path& path);

  // For bytes already in memory; `source` names them in errors, `owner` keeps them alive.
  static SafetensorsFile parse(std::span<const std::byte> bytes, std::string source,
                               std::shared_ptr<const void> owner = nullptr);

  const std::string& source() const { return source_; }
  const Metadata& metadata() const { return metadata_; }
  std::span<const TensorInfo> tensors() const { return tensors_; }  // in the order of their bytes
  const TensorInfo* find(std::string_view name) const;              // null when there is none
  std::shared_ptr<const void> owner() const { return owner_; }      // keeps the spans valid

 private:
  std::string source_;
  std::shared_ptr<const void> owner_;
  Metadata metadata_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::size_t> by_name_;  // indices into tensors_
};

// A tensor to write. `write` hands its bytes over in pieces when their turn comes, so that no second copy of all
// weights is ever held; what it hands over must be as long as dtype and shape say.
struct TensorToWrite {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<std::int64_t> shape;
  std::function<void(const Sink&)> write;
};

void write_safetensors(const Sink& sink, std::span<const TensorToWrite> tensors, const Metadata& metadata);

// Through write_atomically. Hugging Face's readers ask for the metadata {"format": "pt"}.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       const Metadata& metadata);

// For tensors whose bytes are there already; the spans must outlive the writing.
std::vector<TensorToWrite> to_write(std::span<const TensorInfo> tensors);

}  // namespace dsd
