#pragma once
// The files of a model folder that belong to its tokenizer, carried along when a student is saved or exported.

#include <filesystem>

namespace dsd {

// Copies those that `from` has, byte for byte, links followed; Error when there is neither tokenizer.json nor a
// vocabulary. From a GGUF file they are made.
void copy_tokenizer_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace dsd
