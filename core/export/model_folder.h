#pragma once
// A model folder in Hugging Face layout: config.json, model.safetensors, and the tokenizer's files carried along.

#include <filesystem>

#include "core/model/model.h"

namespace dsd {

// Copies what describes the tokenizer (tokenizer.json, tokenizer_config.json, vocab.txt ...) byte for byte. Error when the
// source has none.
void carry_tokenizer(const std::filesystem::path& from, const std::filesystem::path& to);

// Fills a folder that exists. `tokenizer` is the folder whose tokenizer the model was trained with.
void write_model(Model& model, const std::filesystem::path& tokenizer, const std::filesystem::path& folder,
                 at::ScalarType dtype);

}  // namespace dsd
