#include "kernels/vocabulary_row.h"

#include <ATen/ATen.h>

#include "kernels/parallel.h"
#include "kernels/vocabulary_row_cuda.h"

namespace dsd {

VocabularyTotals vocabulary_rows(const VocabularyTile& tile, const cpu::Functions& functions) {
  TORCH_CHECK(tile.student.dim() == 2 && tile.student.stride(1) == 1 && tile.student.scalar_type() == at::kFloat,
              "a tile of logits is fp32, its rows contiguous");
  TORCH_CHECK(!tile.teacher.defined() || tile.teacher.size(1) == tile.student.size(1),
              "teacher and student have as many classes");
  if (tile.student.is_cuda()) return vocabulary_rows_cuda(tile);
  cpu::VocabularyRows work{.student = tile.student.mutable_data_ptr<float>()};
  work.stride = tile.student.stride(0);
  work.classes = tile.student.size(1);
  if (tile.teacher.defined()) {
    work.teacher = tile.teacher.mutable_data_ptr<float>();
    work.teacher_stride = tile.teacher.stride(0);
  }
  work.labels = pointer_or_null<std::int32_t>(tile.labels);
  work.terms = tile.terms;
  work.scale = tile.scale, work.soft_cap = tile.soft_cap;
  work.teacher_scale = tile.teacher_scale, work.teacher_soft_cap = tile.teacher_soft_cap;
  work.wants_gradient = tile.wants_gradient, work.bf16 = tile.bf16;
  constexpr std::int64_t kGrain = 8192;  // elements that are worth a thread
  const std::int64_t rows = tile.student.size(0);
  const std::int64_t parts = std::min(part_count(rows * work.classes, kGrain), std::max<std::int64_t>(rows, 1));
  std::vector<std::array<double, 4>> sums(static_cast<std::size_t>(parts));
  in_parts(rows, parts, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    std::array<double, 4> own{};
    functions.vocabulary_rows(work, own.data(), begin, end);
    sums[static_cast<std::size_t>(part)] = own;
  });
  VocabularyTotals totals;
  for (const auto& [forward, reverse, jensen_shannon, cross_entropy] : sums) {
    totals.forward += forward;
    totals.reverse += reverse;
    totals.jensen_shannon += jensen_shannon;
    totals.cross_entropy += cross_entropy;
  }
  return totals;
}

at::Tensor gradient_of(const VocabularyTile& tile) {
  if (!tile.bf16) return tile.student;
  const at::Tensor owner = tile.student;
  return at::from_blob(
      owner.mutable_data_ptr(), owner.sizes(), {2 * owner.stride(0), 1}, [owner](void*) {},
      owner.options().dtype(at::kBFloat16));
}

}  // namespace dsd
