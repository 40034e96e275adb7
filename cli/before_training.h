#pragma once
// What `train` says and looks at before step 1: the parts, whether their tokens agree, and the teacher's score.

#include "cli/training_run.h"

namespace dsd {

void print_parts(const Recipe& recipe, RunModels& models, const Workbench& bench);

// Error(bad_input) where the same text would be other tokens to the teacher; `student_folder` names the student's.
void require_same_tokenizer(const Tokenizer& student, const std::filesystem::path& student_folder,
                            const RunModels& models);

// On the dev set; none without a teacher. Error(refused) below teacher.floor.
std::optional<double> score_teacher(const Recipe& recipe, RunModels& models, const Workbench& bench);

// What the cut has left of the model that the student was cut out of, on the dev set; none where nothing was cut.
std::optional<double> score_cut(const Recipe& recipe, RunModels& models, const Workbench& bench);

}  // namespace dsd
