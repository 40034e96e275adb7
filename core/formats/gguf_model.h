#pragma once
// A GGUF file of a language model (architectures llama and qwen2) as the Hugging Face files that it stands for: tensors
// under transformers' names and in its order of rows, and config.json.

#include <string>
#include <vector>

#include "core/formats/gguf.h"

namespace dsd {

// In the order of the file; views of its map. Error for an architecture or a tensor that is not known, and for one that
// scales the rotation of positions in a way that config.json could not say.
std::vector<TensorInfo> hugging_face_tensors(const GgufFile& file);

// The text of config.json, for parse_model_config. Error as above.
std::string hugging_face_config(const GgufFile& file);

}  // namespace dsd
