#pragma once
// Row losses over a vocabulary for a tile of rows, values and gradient in one go: both logs of sums of exponentials,
// the divergences, and the gradient of the student's logits in their place. The formulas and their papers are in
// vocabulary_row_formula.h. C rows, V classes; fp32.

#include <ATen/core/Tensor.h>

#include "kernels/cpu/functions.h"
#include "kernels/row_temperature.h"
#include "kernels/vocabulary_row_formula.h"

namespace dsd {

struct VocabularyTile {
  at::Tensor student;  // [C, V] products; overwritten
  at::Tensor teacher;  // [C, V]; overwritten; undefined where no term reads it
  // In its place the teacher's K top classes at the terms' temperature, and all others taken as one. An id that is none
  // of the student's classes, or whose log is -infinity, is left out. int32, fp32, fp32, each contiguous.
  at::Tensor top_ids, top_log_p;  // [C, K]
  at::Tensor top_log_tail;        // [C]
  at::Tensor labels;              // [C] int32, -1 none; undefined where there is no cross-entropy
  VocabularyTerms terms;
  // Where the rule measures (against a teacher's whole scores alone): each row's own temperature in place of the
  // terms', read where the rule says that it is given and written where not, and how hard the row is, written. [C]
  // fp32.
  RowTemperature rule;
  at::Tensor temperatures, difficulties;
  // logits = soft_cap * tanh(scale * products / soft_cap), or scale * products where soft_cap is 0.
  float scale = 1, soft_cap = 0, teacher_scale = 1, teacher_soft_cap = 0;
  bool wants_gradient = true;
  bool bf16 = false;  // the gradient as bf16, in the first half of each row's own memory
};

inline VocabularyTotals& operator+=(VocabularyTotals& all, const VocabularyTotals& some) {
  each_loss(all, some, [](double& total, double part) { total += part; });
  return all;
}

VocabularyTotals vocabulary_rows(const VocabularyTile& tile, const cpu::Functions& functions = cpu::best_functions());

// The gradient that vocabulary_rows left behind, [C, V] fp32 or bf16, a view of tile.student.
at::Tensor gradient_of(const VocabularyTile& tile);

}  // namespace dsd
