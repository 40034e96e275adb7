#include "kernels/relation.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/parallel.h"

namespace dsd {
namespace {

constexpr std::int64_t kRows = 64;  // of scores that exist at a time

// One side's operands as the walk reads them.
struct Side {
  const float *left, *right;
  std::int64_t left_stride, right_stride, width;
  float scale;

  Side(const RelationOperands& operands, std::int64_t heads)
      : left(operands.left.const_data_ptr<float>()),
        right(operands.right.defined() ? operands.right.const_data_ptr<float>() : left),
        left_stride(operands.left.stride(0)),
        right_stride(operands.right.defined() ? operands.right.stride(0) : left_stride),
        width(operands.left.size(1) / heads),
        scale(static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)))) {}
};

// A head of a sequence.
struct Task {
  std::int64_t begin, count, head;  // tokens begin ... begin + count
};

struct Walk {
  Side student, teacher;
  RelationDistance distance;
  float per_head;             // 1 / heads
  float *to_left, *to_right;  // null: not wanted
  std::int64_t to_stride;     // between their rows
  bool with_itself;
  const cpu::Functions& functions;

  // Products of rows first ... first + rows of a task with all its keys.
  void multiply(const Side& side, const Task& task, std::int64_t first, std::int64_t rows, float* scores) const {
    const std::int64_t column = task.head * side.width;
    gemm_piece(
        rows, task.count, side.width, {side.left + (task.begin + first) * side.left_stride + column, side.left_stride},
        {side.right + task.begin * side.right_stride + column, side.right_stride, true}, scores, task.count, false);
  }

  void softmax(const Side& side, std::int64_t rows, std::int64_t columns, float* scores, float* log_sums,
               float* inverse) const {
    const cpu::ScoreTile tile{.rows = rows, .columns = columns, .last = columns, .scale = side.scale};
    functions.softmax_tile(tile, scores, log_sums, 1, inverse);
  }

  // Sum over the rows of KL(teacher || student); `own` becomes the gradient of the student's products.
  double divergence(std::int64_t rows, std::int64_t columns, float* own, float* other, float* scratch) const {
    float *p = scratch, *q = p + kRows * columns, *logs = q + kRows * columns;
    float *log_p = logs, *log_q = logs + kRows, *inverse_p = logs + 2 * kRows, *inverse_q = logs + 3 * kRows;
    std::copy_n(other, rows * columns, p);
    std::copy_n(own, rows * columns, q);
    softmax(teacher, rows, columns, p, log_p, inverse_p);
    softmax(student, rows, columns, q, log_q, inverse_q);
    double total = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t at = row * columns;
      double sum = 0;
      for (std::int64_t c = at; c < at + columns; ++c) {
        const float probability = p[c] * inverse_p[row];
        sum += static_cast<double>(probability) * (other[c] * teacher.scale - own[c] * student.scale);
        own[c] = (q[c] * inverse_q[row] - probability) * student.scale * per_head;
      }
      total += sum - log_p[row] + log_q[row];
    }
    return total;
  }

  // Sum over the rows of the mean squared difference of scores; likewise.
  double difference(std::int64_t rows, std::int64_t columns, float* own, const float* other) const {
    const float each = 1.0f / static_cast<float>(columns), slope = 2 * each * student.scale * per_head;
    double total = 0;
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      const float gap = own[i] * student.scale - other[i] * teacher.scale;
      total += static_cast<double>(gap) * gap;
      own[i] = gap * slope;
    }
    return total * each;
  }

  // From the gradient of the products to that of the operands. A column of heads belongs to one task alone.
  void pull_back(const Task& task, std::int64_t first, std::int64_t rows, const float* gradient) const {
    const std::int64_t column = task.head * student.width;
    const float* asking = student.left + (task.begin + first) * student.left_stride + column;
    const float* asked = student.right + task.begin * student.right_stride + column;
    gemm_piece(rows, student.width, task.count, {gradient, task.count}, {asked, student.right_stride},
               to_left + (task.begin + first) * to_stride + column, to_stride, true);
    gemm_piece(task.count, student.width, rows, {gradient, task.count, true}, {asking, student.left_stride},
               (with_itself ? to_left : to_right) + task.begin * to_stride + column, to_stride, true);
  }

  double run(const Task& task, float* scratch) const {
    const std::int64_t size = kRows * task.count;
    float *own = scratch, *other = own + size, *more = other + size;
    double total = 0;
    for (std::int64_t first = 0; first < task.count; first += kRows) {
      const std::int64_t rows = std::min(kRows, task.count - first);
      multiply(student, task, first, rows, own);
      multiply(teacher, task, first, rows, other);
      total += distance == RelationDistance::scores ? difference(rows, task.count, own, other)
                                                    : divergence(rows, task.count, own, other, more);
      if (to_left != nullptr) pull_back(task, first, rows, own);
    }
    return total;
  }
};

std::vector<Task> tasks_of(const at::Tensor& offsets, std::int64_t heads) {
  std::vector<Task> tasks;
  const auto* bounds = offsets.const_data_ptr<std::int32_t>();
  for (std::int64_t s = 0; s + 1 < offsets.size(0); ++s)
    for (std::int64_t head = 0; head < heads; ++head) tasks.push_back({bounds[s], bounds[s + 1] - bounds[s], head});
  return tasks;
}

void check_operands(const RelationOperands& operands, std::int64_t heads, std::int64_t tokens) {
  for (const at::Tensor& tensor : {operands.left, operands.right})
    TORCH_CHECK(!tensor.defined() || (tensor.dim() == 2 && tensor.size(0) == tokens && tensor.stride(1) == 1 &&
                                      tensor.size(1) == operands.left.size(1) && tensor.size(1) % heads == 0),
                "a relation's operands are [T, heads * D]");
}

}  // namespace

double relation(const RelationOperands& student, const RelationOperands& teacher, const at::Tensor& offsets,
                std::int64_t heads, RelationDistance distance, const at::Tensor& to_left, const at::Tensor& to_right,
                const cpu::Functions& functions) {
  const std::int64_t tokens = student.left.size(0);
  check_operands(student, heads, tokens);
  check_operands(teacher, heads, tokens);
  TORCH_CHECK(student.right.defined() == teacher.right.defined(), "a relation is of the same operands on both sides");
  const bool with_itself = !student.right.defined();
  TORCH_CHECK(to_left.defined() == (with_itself ? to_left.defined() : to_right.defined()),
              "a relation gives the gradients of both operands or none");
  const std::vector<Task> tasks = tasks_of(offsets, heads);
  std::int64_t longest = 1;
  for (const Task& task : tasks) longest = std::max(longest, task.count);
  const Walk walk{.student = Side(student, heads),
                  .teacher = Side(teacher, heads),
                  .distance = distance,
                  .per_head = 1.0f / static_cast<float>(heads),
                  .to_left = to_left.defined() ? to_left.mutable_data_ptr<float>() : nullptr,
                  .to_right = to_right.defined() ? to_right.mutable_data_ptr<float>() : nullptr,
                  .to_stride = student.left.size(1),
                  .with_itself = with_itself,
                  .functions = functions};
  // Each task's own sum, folded in the order of tasks: the number of threads changes nothing.
  std::vector<double> sums(tasks.size());
  const std::int64_t parts = part_count(std::ssize(tasks), 4);
  const at::Tensor scratch = at::empty({parts, 4 * kRows * longest + 4 * kRows}, at::kFloat);
  in_parts(std::ssize(tasks), parts, [&](std::int64_t begin, std::int64_t end, std::int64_t part) {
    float* own = scratch.mutable_data_ptr<float>() + part * scratch.size(1);
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      if (tasks[i].count > 0) sums[i] = walk.run(tasks[i], own);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(heads);
}

}  // namespace dsd
