#pragma once
// Changed copies of the training examples (data.augment), beside the examples themselves.

#include "core/data/dataset.h"
#include "core/recipe/recipe.h"
#include "core/text/tokenizer.h"

namespace dsd {

// Appends them to `data`: other words by the word embeddings of the recipe's teacher, whose tokenizer this is.
void append_copies(Dataset* data, const Recipe& recipe, const Task& task, const Tokenizer& tokenizer);

}  // namespace dsd
