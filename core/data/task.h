#pragma once
// Tasks: which files they have, which columns hold what, their labels in order, and how they are scored.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/recipe/recipe.h"
#include "core/recipe/task_names.h"

namespace dsd {

enum class Metric { accuracy, f1, matthews, pearson, spearman };
std::string_view name_of(Metric metric);

enum class Split { train, dev, test, unlabelled };

// A file of a split. MNLI's dev split has two parts ("matched", "mismatched"); every other split has one, named "".
struct SplitFile {
  std::filesystem::path path;
  std::string part;
  bool labelled = true;
};

struct Task {
  std::string name;                 // "sst2"
  TaskKind kind = TaskKind::classes;
  bool pair = false;
  std::vector<std::string> labels;  // in the order of class indices, as written in files; empty for values
  std::vector<Metric> metrics;      // the official ones; the first is the one that models are chosen by
  std::string positive;             // the class that F1 counts
};

// The task of a recipe (or of the same keys given to `eval`). Finds data.root as the suite's folder or the task's own.
// For 'classification' without data.labels the training file is read once for its labels.
Task find_task(const std::string& name, const DataConfig& data);
std::vector<SplitFile> split_files(const Task& task, const DataConfig& data, Split split);

}  // namespace dsd
