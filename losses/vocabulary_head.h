#pragma once
// All row losses of a head over a vocabulary in one walk (design rule 5): tiles of rows with the whole vocabulary are
// multiplied out, turned into losses and gradient, and multiplied back, so that logits of all rows never exist. The
// gradient of the hidden states goes on by autograd; that of the head's weight is added straight into its own buffer
// (a tied embedding's). N rows, V classes.

#include "core/types/outputs.h"
#include "kernels/vocabulary_row.h"

namespace dsd {

struct VocabularyWork {
  const Scores* student = nullptr;  // lazy
  // Lazy scores (of any hidden width), dense ones or a top k at the terms' temperature; null where no term reads it.
  const Target* teacher = nullptr;
  Tensor labels;          // [N] int32, -1 none; undefined where there is no cross-entropy
  VocabularyTerms terms;  // coefficients as the objective scales them: the gradient is final
  // Rows' own temperatures where the rule measures (the terms' stands for the others): [N] fp32 each, read where the
  // rule says that they are given and written where not; difficulties are written.
  RowTemperature rule;
  Tensor temperatures, difficulties;
  std::int64_t tile_rows = 192;  // memory: so many rows of V floats, twice against a teacher's scores
};

// The sum of the terms, each times its coefficient and, with a rule that measures, each row against the teacher times
// its own factor, a scalar whose backward must be called with a gradient of 1; sets
// `totals` to the sums before coefficients. Scores::classes says how many classes are real: what weights and dense
// scores hold beyond is padding. Error where the real ones of the two sides differ.
Tensor vocabulary_loss(const VocabularyWork& work, VocabularyTotals* totals);

namespace plain {
// The reference: dense logits and LibTorch operations, any dtype and device.
Tensor vocabulary_loss(const VocabularyWork& work, VocabularyTotals* totals);
}  // namespace plain

// Rows first ... first + count of scores as logits [count, classes], in `dtype` at least fp32.
Tensor dense_rows(const Scores& scores, std::int64_t first, std::int64_t count);

// The real classes of scores: as told, or all that the weight or the dense scores hold.
std::int64_t class_count(const Scores& scores);

// The teacher as the walk reads it, once it is known to fit the student; both null where there is none.
struct CheckedTeacher {
  const Scores* scores = nullptr;
  const TopK* top = nullptr;
};
CheckedTeacher checked_teacher(const VocabularyWork& work);

}  // namespace dsd
