#pragma once
// How hard each training example is to the teacher, for a curriculum: its loss against the label, or its entropy.

#include <vector>

#include "core/data/dataset.h"
#include "core/recipe/task_names.h"
#include "core/teacher/teacher.h"

namespace dsd {

enum class TeacherMeasure { loss, entropy };

// Of each example the mean over the rows that the head reads, in nats: loss is -log p(label), or the entropy (the loss
// that the teacher itself expects) where there is no label; of numbers the squared error, NaN without one. The
// teacher's outputs are asked for in batches of at most `tokens` tokens, longest examples first: a teacher that
// remembers has all of them afterwards. Error where it does not give whole scores.
std::vector<double> teacher_difficulties(Teacher& teacher, const Dataset& data, TaskKind kind, TeacherMeasure measure,
                                         std::int64_t tokens);

}  // namespace dsd
