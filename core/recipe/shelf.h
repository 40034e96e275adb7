#pragma once
// Where recipes lie: the current folder's recipes/, else the one beside the binary. A recipe is named by its path or,
// for one of these, by its name: `glue_kl`.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dsd {

// The folder of ready recipes; empty when there is none.
std::filesystem::path recipes_folder();

// The file that `name` means. Throws Error(bad_input) with the nearest one when there is none.
std::filesystem::path find_recipe(std::string_view name);

struct ShelfEntry {
  std::string name;     // glue_kl
  std::string purpose;  // the first sentence of its comment
  std::filesystem::path path;
};

// The ready recipes by name.
std::vector<ShelfEntry> ready_recipes();

// The presets of teachers, then those of students (core/recipe/preset.h).
std::vector<ShelfEntry> ready_presets();

}  // namespace dsd
