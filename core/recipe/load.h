#pragma once
// Recipes from files and back. All faults of a recipe come as one Error(bad_input), a line each, in the order of the
// file.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "core/recipe/recipe.h"

namespace dsd {

// Reads, applies overrides (`train.batch=16`, see core/config/overrides.h), makes the task's name canonical and checks
// the rules across keys. What is null stays null: see `resolved`.
Recipe load_recipe(const std::filesystem::path& path, std::span<const std::string> overrides = {});

// The same for a text; `name` stands for the file in messages.
Recipe parse_recipe(std::string_view text, const std::string& name, std::span<const std::string> overrides = {});

// The recipe with what depends on the task written out: temperature, the kinds of the losses, the number of layers.
Recipe resolved(Recipe recipe);

// YAML with every key; reads as the same recipe.
std::string dump_recipe(const Recipe& recipe);

// The documentation of `key` and all below it, or, for an empty key, of all keys: recipes/README.md.
std::string explain_recipe(std::string_view key);

}  // namespace dsd
