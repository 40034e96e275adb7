#pragma once
// On how much text the parts of a model are weighed before the lesser ones are pruned.

#include <cstdint>

#include "core/config/fields.h"

namespace dsd {

struct ImportanceConfig {
  std::int64_t examples = 256;
  bool operator==(const ImportanceConfig&) const = default;
  static void fields(auto& self, auto& v) {
    v("examples", self.examples,
      "training examples, evenly spread, on which layers, heads, neurons, channels and experts are weighed",
      Range{.min = 1, .max = 1 << 20});
  }
};

}  // namespace dsd
