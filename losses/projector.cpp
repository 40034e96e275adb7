#include "losses/projector.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "core/base/error.h"

namespace dsd {
namespace {

// Rows that are orthonormal: the Q of a^T = QR whose R has a positive diagonal, which makes it a continuous function of
// `a` [n, m], n <= m.
Tensor orthonormal(const Tensor& a) {
  const auto [q, r] = at::linalg_qr(a.t());
  const Tensor diagonal = r.diagonal().detach();
  return (q * at::where(diagonal < 0, -at::ones_like(diagonal), at::ones_like(diagonal))).t();
}

ProjectorSide side_for(const ProjectorConfig& config, std::int64_t student, std::int64_t teacher,
                       std::string_view loss) {
  if (config.projector == ProjectorSide::automatic)
    return student == teacher ? ProjectorSide::none : ProjectorSide::student;
  if (config.projector == ProjectorSide::none && student != teacher)
    fail_as(ExitCode::bad_input,
            "losses.features: {} compares states of width {} with the teacher's of {} without a projector; take "
            "'projector: auto'",
            loss, student, teacher);
  const bool on_teacher = config.projector != ProjectorSide::none && config.projector != ProjectorSide::student;
  if (on_teacher && student > teacher)
    fail_as(ExitCode::bad_input,
            "losses.features: {} would map the teacher's {} numbers to the student's {} on the teacher's side, which "
            "holds no more directions than it has; take 'projector: student'",
            loss, teacher, student);
  return config.projector;
}

}  // namespace

Projector::Projector(const ProjectorConfig& config, std::int64_t student_width, std::int64_t teacher_width,
                     const ModelShapes& shapes, const std::string& name, std::string_view loss)
    : config_(config), student_width_(student_width), teacher_width_(teacher_width), random_(shapes.random) {
  config_.projector = side_for(config, student_width, teacher_width, loss);
  const bool trained = config_.projector != ProjectorSide::teacher_frozen;
  const auto add = [&](std::string part, std::initializer_list<std::int64_t> shape, bool decays) {
    auto weight = std::make_unique<Weight>();
    weight->master = at::zeros(at::IntArrayRef(shape), at::TensorOptions(shapes.dtype).device(shapes.device));
    weight->master.requires_grad_(trained);
    parameters_.push_back({.name = name + "." + std::move(part),
                           .weight = weight.get(),
                           .decays = decays,
                           .lr_factor = config_.projector_learning_rate});
    return weight;
  };
  if (config_.projector == ProjectorSide::none) return;
  if (config_.projector == ProjectorSide::student) {
    matrix_ = add("weight", {teacher_width, student_width}, true);
    bias_ = add("bias", {teacher_width}, false);
  } else {
    matrix_ = add("weight", {student_width, teacher_width}, false);
  }
}

Tensor Projector::of_student(const Tensor& states) const {
  return bias_ ? at::linear(states, matrix_->master, bias_->master) : states;
}

Tensor Projector::of_teacher(const Tensor& states) const {
  if (config_.projector == ProjectorSide::teacher_frozen) return at::linear(states, matrix_->master);
  if (config_.projector == ProjectorSide::teacher_orthogonal) return at::linear(states, orthonormal(matrix_->master));
  return states;
}

// [count, width] of orthonormal rows.
Tensor Projector::starting_rows(const Moments& moments, std::int64_t count, std::int64_t width) const {
  if (config_.projector_start == ProjectorStart::pca) return moments.principal_directions(count);
  return orthonormal(at::tensor(normal_numbers(count * width, 1.0, random_), at::kDouble).view({count, width}));
}

void Projector::start(const Moments& moments) {
  if (config_.projector == ProjectorSide::none) return;
  const at::NoGradGuard no_grad;
  const std::int64_t both = std::min(student_width_, teacher_width_);
  const bool same = student_width_ == teacher_width_ && config_.projector_start == ProjectorStart::pca;
  if (!bias_) {
    matrix_->master.copy_(starting_rows(moments, both, teacher_width_));
    return;
  }
  if (same) {
    matrix_->master.copy_(at::eye(student_width_));
    return;
  }
  if (config_.projector_start == ProjectorStart::random) {
    const double deviation = 1 / std::sqrt(static_cast<double>(student_width_));
    const auto drawn = normal_numbers(matrix_->master.numel(), deviation, random_);
    matrix_->master.copy_(at::tensor(drawn, at::kFloat).view(matrix_->master.sizes()));
    return;
  }
  // Columns: a student wider than the teacher starts with columns of 0 beyond the teacher's width.
  const Tensor columns = moments.principal_directions(both).t();  // [W_t, both]
  matrix_->master.narrow(1, 0, both).copy_(columns);
  bias_->master.copy_(moments.mean_y() - at::mv(columns, moments.mean_x().narrow(0, 0, both)));
}

std::string Projector::describe() const {
  switch (config_.projector) {
    case ProjectorSide::student:
      return ", projector on the student's side";
    case ProjectorSide::teacher_frozen:
      return ", frozen projector on the teacher's side";
    case ProjectorSide::teacher_orthogonal:
      return ", orthogonal projector on the teacher's side";
    default:
      return "";
  }
}

}  // namespace dsd
