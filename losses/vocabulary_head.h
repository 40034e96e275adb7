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
  const Target* teacher = nullptr;  // lazy or dense scores of as many classes; null where no term reads it
  Tensor labels;                    // [N] int32, -1 none; undefined where there is no cross-entropy
  VocabularyTerms terms;            // coefficients as the objective scales them: the gradient is final
  std::int64_t tile_rows = 256;     // memory: twice so many rows of V floats
};

// The sum of the terms, each times its coefficient, a scalar whose backward must be called with a gradient of 1; sets
// `totals` to the sums before coefficients. Error where the two vocabularies differ in size.
Tensor vocabulary_loss(const VocabularyWork& work, VocabularyTotals* totals);

namespace plain {
// The reference: dense logits and LibTorch operations, any dtype and device.
Tensor vocabulary_loss(const VocabularyWork& work, VocabularyTotals* totals);
}  // namespace plain

// Rows first ... first + count of scores as logits [count, classes], in `dtype` at least fp32.
Tensor dense_rows(const Scores& scores, std::int64_t first, std::int64_t count);

}  // namespace dsd
