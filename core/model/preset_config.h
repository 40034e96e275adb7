#pragma once
// A preset's sizes as the config of its family.

#include <string>

#include "core/formats/hf_config.h"
#include "core/recipe/preset.h"

namespace dsd {

// Error naming `source` where sizes do not fit one another.
ModelConfig config_of(const Preset& preset, const std::string& source);

}  // namespace dsd
