#pragma once
// Row losses over a vocabulary for a tile of rows, values and gradient in one go: both logs of sums of exponentials,
// the divergences, and the gradient of the student's logits in their place. The formulas and their papers are in
// vocabulary_row_formula.h. C rows, V classes; fp32.

#include <ATen/core/Tensor.h>

#include "kernels/cpu/functions.h"
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
  // logits = soft_cap * tanh(scale * products / soft_cap), or scale * products where soft_cap is 0.
  float scale = 1, soft_cap = 0, teacher_scale = 1, teacher_soft_cap = 0;
  bool wants_gradient = true;
  bool bf16 = false;  // the gradient as bf16, in the first half of each row's own memory
};

// Calls body(a's, b's) for each loss, of whatever has a member for each.
template <class Terms, class Totals, class Body>
void each_loss(Terms& a, Totals& b, Body body) {
  body(a.forward, b.forward), body(a.soft_cross_entropy, b.soft_cross_entropy), body(a.reverse, b.reverse);
  body(a.jensen_shannon, b.jensen_shannon), body(a.skew, b.skew), body(a.skew_reverse, b.skew_reverse);
  body(a.total_variation, b.total_variation), body(a.cross_entropy, b.cross_entropy);
}

inline VocabularyTotals& operator+=(VocabularyTotals& all, const VocabularyTotals& some) {
  each_loss(all, some, [](double& total, double part) { total += part; });
  return all;
}

VocabularyTotals vocabulary_rows(const VocabularyTile& tile, const cpu::Functions& functions = cpu::best_functions());

// The gradient that vocabulary_rows left behind, [C, V] fp32 or bf16, a view of tile.student.
at::Tensor gradient_of(const VocabularyTile& tile);

}  // namespace dsd
