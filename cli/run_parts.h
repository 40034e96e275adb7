#pragma once
// The parts of a training run, built from a recipe: data, teacher, student. Whatever the recipe alone could not tell is
// checked here, before step 1.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/recipe/recipe.h"
#include "core/text/tokenizer.h"

namespace dsd {

struct RunData {
  Task task;
  Dataset train;  // labelled rows first, then those without labels
  Dataset dev;
  std::int64_t labelled_rows = 0;
};

// The student's labels as its config names them: readable ones; one nameless output for values.
HeadInfo head_of(const Task& task);

RunData load_data(const Recipe& recipe, const Tokenizer& tokenizer);

struct RunModels {
  std::filesystem::path teacher_folder;  // empty: no teacher
  std::shared_ptr<Model> teacher;
  std::vector<std::int32_t> columns;   // teacher's logit of each class
  std::filesystem::path student_base;  // the folder that the student's weights and tokenizer come from
  std::unique_ptr<Model> student;
  std::vector<std::string> fresh;   // weights that were drawn at random
  std::vector<std::string> pruned;  // what was cut off and what was kept, a line each
};

// The weights that a teacher's name stands for. v3 and r1 name two models each, and neither of them is here: Error.
std::filesystem::path locate_teacher(const std::string& name);

// Where the student starts: student.path, else teacher.path.
std::filesystem::path student_base(const Recipe& recipe);

// Models of the stage before that the next one takes as they are, in place of what stands at their paths.
struct ModelsAtHand {
  std::string student_path;  // as the recipe names it; a student that is not on disk yet
  std::shared_ptr<Model> student;
  std::string teacher_path;
  bool teacher_bf16 = false;
  std::shared_ptr<Model> teacher;
};

// Loads the teacher (if any) and makes the student. `data` gives the task's labels.
RunModels load_models(const Recipe& recipe, const RunData& data, const ModelsAtHand& at_hand = {});

// "BERT, 2 layers x 384, 12 heads, MLP 1536; 15.6 M parameters, 62.5 MB in fp32".
std::string describe_model(Model& model);

}  // namespace dsd
