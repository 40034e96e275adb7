#pragma once
// A run's folder: recipe.yaml (the effective one), log.jsonl, checkpoints/, student/, teacher.store. What may be there
// already is decided here, before anything is trained.

#include <filesystem>
#include <string>

#include "core/recipe/recipe.h"

namespace dsd {

struct RunFolder {
  std::filesystem::path path;
  bool resumed = false;  // a recipe was there, and it is this one

  std::filesystem::path recipe() const { return path / "recipe.yaml"; }
  std::filesystem::path log() const { return path / "log.jsonl"; }
  std::filesystem::path student() const { return path / "student"; }
  std::filesystem::path store() const { return path / "teacher.store"; }
};

// runs/<recipe>-<task>-<n> with the first n that is free.
std::filesystem::path default_run_path(const std::string& recipe_name, const std::string& task);

// The run in progress under that default name with the largest n, to resume without --run; Error when there is none.
std::filesystem::path newest_run_path(const std::string& recipe_name, const std::string& task);

// Makes the folder and writes its recipe. Without `resume` a folder that exists is refused; with it a recipe that
// differs is refused with the lines that differ.
RunFolder open_run(const std::filesystem::path& path, const Recipe& recipe, bool resume);

// The recipe of a run, as it was run; of one in stages the last one's.
Recipe recipe_of_run(const std::filesystem::path& run);

}  // namespace dsd
