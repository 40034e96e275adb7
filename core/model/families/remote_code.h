#pragma once
// The Python classes that transformers loads a model of the article's families with: the very files that the tests
// compare with, tests/parity/reference_*.py, built in.

#include <optional>
#include <string_view>

#include "core/formats/hf_config.h"

namespace dsd {

struct RemoteCode {
  std::string_view name;  // of the file: "reference_v3.py"
  std::string_view text;
};

// None for a family that transformers knows.
std::optional<RemoteCode> remote_code(const FamilyConfig& family);

}  // namespace dsd
