#pragma once
// Row losses over a vocabulary on a GPU: vocabulary_row_cuda.cu, or its twin no_vocabulary_row_cuda.cpp in a build
// without CUDA.

#include "kernels/vocabulary_row.h"

namespace dsd {

// As vocabulary_rows, for tensors of a GPU; on the current stream, which it waits for.
VocabularyTotals vocabulary_rows_cuda(const VocabularyTile& tile);

}  // namespace dsd
