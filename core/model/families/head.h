#pragma once
// The heads of all families, as a config states them.

#include <string>

#include "core/model/model.h"

namespace dsd {

bool has_classifier(HeadKind head);

// The config as a checkpoint of this head states it: as many labels as outputs, the problem's type, and an architecture
// of the family's name for its classes: "<stem>ForCausalLM", "<stem>Model" ...
ModelConfig with_head(ModelConfig config, const std::string& stem, HeadKind kind, std::int64_t outputs);

}  // namespace dsd
