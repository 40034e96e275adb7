#pragma once
// What a teacher's training data covers: the data must hold all that the teacher is to pass on, so a class that is
// rare, or that the teacher is unsure of, is worth knowing before step 1.

#include <cstdint>
#include <string>
#include <vector>

#include "core/eval/evaluator.h"

namespace dsd {

struct ClassCoverage {
  std::string name;
  std::int64_t rows = 0;  // with this label; without labels, those that the teacher puts there
  double confidence = 0;  // the mean of the teacher's largest probability
  double entropy = 0;     // the mean of its entropy, in nats
  double agreement = 0;   // share of the rows that the teacher puts there too; NaN without labels
};

struct Coverage {
  std::vector<ClassCoverage> classes;  // in the task's order; of values one, of all rows
  std::int64_t rows = 0, unlabelled = 0;
  std::int64_t words_seen = 0, words = 0;  // of the tokenizer's vocabulary
};

// Tasks with classes. `settings` as for `evaluate`.
Coverage coverage_of(Model& teacher, const Dataset& data, const Task& task, std::int64_t vocabulary,
                     const EvalSettings& settings);

// How many tokens of the vocabulary the data has.
std::int64_t words_seen(const Dataset& data, std::int64_t vocabulary);

// A sentence for each class with less than a tenth of the mean number of labelled rows; nothing where the task has no
// classes or the data no labels.
std::vector<std::string> rare_classes(const Dataset& data, const Task& task);

}  // namespace dsd
