#pragma once
// The names that config.json uses for the closed sets of hf_config.h, both ways.

#include <optional>
#include <string_view>

#include "core/formats/hf_config.h"

namespace dsd {

std::optional<Activation> activation_from_name(std::string_view name);  // several names stand for one
std::string_view activation_name(Activation activation);
std::string_view activation_names();  // for messages

std::optional<ProblemType> problem_type_from_name(std::string_view name);
std::string_view problem_type_name(ProblemType type);
std::string_view problem_type_names();

}  // namespace dsd
