#pragma once
// A model folder in Hugging Face layout: config.json, model.safetensors, and the tokenizer's files carried along.

#include <filesystem>

#include "core/model/model.h"

namespace dsd {

// Fills a folder that exists. `tokenizer` is the folder whose tokenizer the model was trained with.
void write_model(Model& model, const std::filesystem::path& tokenizer, const std::filesystem::path& folder,
                 at::ScalarType dtype);

}  // namespace dsd
