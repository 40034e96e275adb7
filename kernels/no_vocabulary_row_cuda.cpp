#include "core/base/error.h"
#include "kernels/vocabulary_row_cuda.h"

namespace dsd {

VocabularyTotals vocabulary_rows_cuda(const VocabularyTile&) {
  fail("losses over a vocabulary on a GPU need a CUDA build: scripts/build.sh cuda");
}

}  // namespace dsd
