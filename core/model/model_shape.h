#pragma once
// The sizes that losses on features compare, out of a model's config.

#include "core/formats/hf_config.h"
#include "core/types/model_shape.h"

namespace dsd {

ModelShape shape_of(const FamilyConfig& family);

}  // namespace dsd
