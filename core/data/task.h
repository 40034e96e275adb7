#pragma once
// Tasks: which files they have, which columns hold what, their labels in order, and how they are scored.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/recipe/recipe.h"
#include "core/recipe/task_names.h"

namespace dsd {

enum class Metric { accuracy, f1, matthews, pearson, spearman, perplexity, negative_log_likelihood, bits_per_byte };
std::string_view name_of(Metric metric);
bool lower_is_better(Metric metric);

enum class Split { train, dev, test, unlabelled };
std::string_view name_of(Split split);

// A file of a split. MNLI's dev and test splits have two parts ("matched", "mismatched"); every other split has one,
// named "".
struct SplitFile {
  std::filesystem::path path;
  std::string part;
  bool labelled = true;
  Split split = Split::train;
};

struct Task {
  std::string name;  // "sst2"
  TaskKind kind = TaskKind::classes;
  bool pair = false;
  std::vector<std::string> labels;  // in the order of class indices, as written in files; empty for values
  std::vector<Metric> metrics;      // the official ones; the first is the one that models are chosen by
  std::string positive;             // the class that F1 counts, as written in files
  // What a person calls the labels ("negative" for sst2's 0), beside `labels`: the names in our students' id2label.
  std::vector<std::string> label_names;

  // The class of a label as written in a file, or of its readable name, whatever the case; none when there is none.
  std::optional<std::int32_t> class_of(std::string_view label) const;
};

// The task of a recipe (or of the same keys given to `eval`). Finds data.root as the suite's folder or the task's own.
// For 'classification' without data.labels the training file is read once for its labels.
Task find_task(const std::string& name, const DataConfig& data);

// Error naming the file that is missing. For Split::unlabelled the files of data.unlabelled, which may be none.
std::vector<SplitFile> split_files(const Task& task, const DataConfig& data, Split split);

}  // namespace dsd
