#pragma once
// The JSON header of a safetensors file, parsed without a document in memory: each entry becomes a HeaderEntry as it is
// read, and anything else than the format's own structure is an error with its byte.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/safetensors.h"

namespace dsd {

struct HeaderEntry {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // within the data that follows the header
};

struct Header {
  Metadata metadata;
  std::vector<HeaderEntry> entries;  // in the header's order, not yet checked against the data or each other
};

// `first_byte` is the header's place in the file, for messages.
Header parse_safetensors_header(std::string_view json, const std::string& source, std::size_t first_byte);

}  // namespace dsd
