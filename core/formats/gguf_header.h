#pragma once
// The header of a GGUF file, walked once with every length checked before it is used: metadata as views, tensors as
// they are described, not yet checked against the data or each other.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/formats/gguf.h"

namespace dsd {

struct GgufTensor {
  std::string_view name;
  Dtype dtype = Dtype::f32;
  std::vector<std::int64_t> shape;  // outermost first, as ours
  std::uint64_t offset = 0;         // within the data
  std::uint64_t described_at = 0;   // byte of the file, for messages
};

struct GgufHeader {
  std::uint32_t version = 0;
  std::vector<GgufEntry> metadata;
  std::vector<GgufTensor> tensors;
  std::uint64_t end = 0;  // byte after the last description
};

GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& source);

// Bytes of one item; 0 for texts and arrays.
std::size_t gguf_type_bytes(GgufType type);

}  // namespace dsd
