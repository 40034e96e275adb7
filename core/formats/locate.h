#pragma once
// From what a user types for a model to a folder in Hugging Face layout or a GGUF file: such a folder or file, a run's
// folder (its student), or `org/name` in the local Hugging Face cache. Never the network: what is missing is told with
// the command that fetches it.

#include <filesystem>
#include <string>

namespace dsd {

std::filesystem::path locate_model(const std::string& name);
std::filesystem::path locate_model(const std::string& name, const std::filesystem::path& hub_cache);

// HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub.
std::filesystem::path hub_cache();

// A path or name for a command that a user will paste, quoted where the shell needs it.
std::string shell_quoted(const std::string& text);

}  // namespace dsd
