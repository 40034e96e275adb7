#include "kernels/vocabulary_row.h"

#include <ATen/ATen.h>

#include "kernels/parallel.h"
#include "kernels/vocabulary_row_cuda.h"

namespace dsd {

namespace {

void check(const VocabularyTile& tile) {
  const std::int64_t rows = tile.student.size(0);
  TORCH_CHECK(tile.student.dim() == 2 && tile.student.stride(1) == 1 && tile.student.scalar_type() == at::kFloat,
              "a tile of logits is fp32, its rows contiguous");
  TORCH_CHECK(!tile.teacher.defined() || (tile.teacher.size(0) == rows && tile.teacher.size(1) == tile.student.size(1)),
              "teacher and student have as many rows and classes");
  TORCH_CHECK(!tile.labels.defined() || (tile.labels.size(0) == rows && tile.labels.is_contiguous()),
              "a tile has a label for each row");
  if (tile.rule.measure != RowMeasure::none) {
    TORCH_CHECK(tile.teacher.defined(), "rows have temperatures of their own against a teacher's whole scores");
    for (const at::Tensor& each : {tile.temperatures, tile.difficulties})
      TORCH_CHECK(each.numel() == rows && each.is_contiguous() && each.scalar_type() == at::kFloat,
                  "a tile has a temperature and a difficulty for each row, in fp32");
  }
  if (!tile.top_ids.defined()) return;
  TORCH_CHECK(!tile.teacher.defined(), "a teacher gives whole scores or its top");
  TORCH_CHECK(tile.top_ids.sizes() == tile.top_log_p.sizes() && tile.top_ids.size(0) == rows &&
                  tile.top_log_tail.numel() == rows,
              "a teacher's top has an id and a log for each place, and a log of the rest for each row");
  TORCH_CHECK(tile.top_ids.is_contiguous() && tile.top_log_p.is_contiguous() && tile.top_log_tail.is_contiguous(),
              "a teacher's top is contiguous");
}

cpu::VocabularyRows work_of(const VocabularyTile& tile, const at::Tensor& top_logits) {
  cpu::VocabularyRows work{.student = tile.student.mutable_data_ptr<float>()};
  work.stride = tile.student.stride(0);
  work.classes = tile.student.size(1);
  if (tile.teacher.defined()) {
    work.teacher = tile.teacher.mutable_data_ptr<float>();
    work.teacher_stride = tile.teacher.stride(0);
  }
  if (tile.top_ids.defined()) {
    work.top_ids = tile.top_ids.const_data_ptr<std::int32_t>();
    work.top_log_p = tile.top_log_p.const_data_ptr<float>();
    work.top_log_tail = tile.top_log_tail.const_data_ptr<float>();
    work.top_logits = top_logits.mutable_data_ptr<float>();
    work.top_count = tile.top_ids.size(1);
  }
  work.labels = pointer_or_null<std::int32_t>(tile.labels);
  work.terms = tile.terms;
  work.rule = tile.rule;
  if (tile.rule.measure != RowMeasure::none) {
    work.temperatures = tile.temperatures.mutable_data_ptr<float>();
    work.difficulties = tile.difficulties.mutable_data_ptr<float>();
  }
  work.scale = tile.scale, work.soft_cap = tile.soft_cap;
  work.teacher_scale = tile.teacher_scale, work.teacher_soft_cap = tile.teacher_soft_cap;
  work.wants_gradient = tile.wants_gradient, work.bf16 = tile.bf16;
  return work;
}

}  // namespace

VocabularyTotals vocabulary_rows(const VocabularyTile& tile, const cpu::Functions& functions) {
  check(tile);
  if (tile.student.is_cuda()) return vocabulary_rows_cuda(tile);
  const at::Tensor top_logits = tile.top_ids.defined() ? at::empty_like(tile.top_log_p) : at::Tensor();
  const cpu::VocabularyRows work = work_of(tile, top_logits);
  constexpr std::int64_t kGrain = 8192;  // elements that are worth a thread
  const std::int64_t rows = tile.student.size(0);
  const std::int64_t parts = std::min(part_count(rows * work.classes, kGrain), std::max<std::int64_t>(rows, 1));
  std::vector<VocabularyTotals> sums(static_cast<std::size_t>(parts));
  in_parts(rows, parts, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    VocabularyTotals own;
    functions.vocabulary_rows(work, &own, begin, end);
    sums[static_cast<std::size_t>(part)] = own;
  });
  VocabularyTotals totals;
  for (const VocabularyTotals& part : sums) totals += part;
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
