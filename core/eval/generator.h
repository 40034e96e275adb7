#pragma once
// Text from a decoder, token by token: prompts are read in long pieces, then each step adds one row to every text that
// still runs. Keys and values are kept, so a token costs one row.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "core/eval/sampler.h"
#include "core/model/model.h"

namespace dsd {

struct GenerationSettings {
  SamplingSettings sampling;
  std::int64_t new_tokens = 128;         // most for each prompt
  std::vector<std::int32_t> end_tokens;  // a text ends before one of them
};

// Called for each token as it is chosen; false ends that prompt's text.
using TokenSink = std::function<bool(std::size_t prompt, std::int32_t token)>;

// The tokens that end a text: those that generation_config.json names, else the config's own; none where neither does.
std::vector<std::int32_t> end_tokens(const ModelConfig& config, const std::filesystem::path& folder);

enum class Ending { end_token, length, sink };

struct Generated {
  std::vector<std::int32_t> ids;  // new tokens alone, without the one that ended them
  Ending ending = Ending::length;
};

// `first` numbers prompts[0] for the sampler, so that a batch's cut changes nothing. Error when a prompt is empty, or
// when prompt and new tokens do not fit the model's positions.
std::vector<Generated> generate(Model& model, const std::vector<std::vector<std::int32_t>>& prompts,
                                const GenerationSettings& settings, std::uint32_t first, const TokenSink& sink);

}  // namespace dsd
