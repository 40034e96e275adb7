#pragma once
// Stages of a run: from a recipe's text and back, and what each of them runs. A stage has its recipe's own blocks and
// changes what it names; of the second on a student starts from the one before, so that what says where weights come
// from (student.path, preset, tokenizer, start, from_layers) is not handed down to them.

#include <filesystem>
#include <string>
#include <vector>

#include "core/config/node.h"
#include "core/recipe/recipe.h"

namespace dsd {

// Fills recipe->stages from what stands at `stages`, at `key`: a list, or a preset with changes to its stages by their
// numbers. The rest of the recipe has been read.
void read_stages(Node& stages, Mark key, Recipe* recipe, Diagnostics& faults);

// The stages as YAML, "stages: []" or a list: of each its name, its start and what it changes.
std::string dump_stages(const Recipe& recipe);

// What stage `index` runs, a recipe without stages. `previous` is the folder of the student before, read where the
// stage starts from it or learns from it.
Recipe stage_recipe(const Recipe& recipe, std::size_t index, const std::filesystem::path& previous);

// Whether a stage's student starts from the one before, or its teacher is that one.
bool starts_from_previous(const Stage& stage);
bool learns_from_previous(const Stage& stage);

// What stage `index` is before it changes anything.
Stage inherited_stage(const Recipe& recipe, std::size_t index);

// The stages that a preset comes to. A preset that the recipe leaves without an answer is a fault at `key`.
std::vector<Stage> expand_stages(const StagesPreset& preset, const Recipe& recipe, Mark key, Diagnostics& faults);

// Whether what a run minimises reads the scores that models are told by; losses on features alone do not, and leave the
// head as it was.
bool trains_scores(const Recipe& recipe);

}  // namespace dsd
