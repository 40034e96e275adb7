#pragma once
// A linear map between states of different widths, W_s of the student and W_t of the teacher.
//   student             states W^T + b [W_t], trained with a learning rate of its own. Its start makes the student's
//                       coordinates stand for the teacher's principal ones (for equal widths: the identity).
//   teacher_frozen      teacher's states P^T [W_s], P with orthonormal rows: the teacher's principal directions
//   teacher_orthogonal  the same, and P is trained. P is the Q of A^T = QR with a positive diagonal of R, so that
//                       every A gives orthonormal rows: what is to be learnt cannot be shrunk to nothing, which is what
//                       a freely trained map on the teacher's side does. It may turn to directions of small variance;
//                       the frozen one cannot.
// Projectors are parameters of the loss: in the checkpoint, never in the exported student.

#include <memory>
#include <string>
#include <vector>

#include "core/types/model_shape.h"
#include "core/types/weight.h"
#include "losses/feature_configs.h"
#include "losses/moments.h"

namespace dsd {

// What losses on features must know of the two models.
struct ModelShapes {
  ModelShape student, teacher;
  at::ScalarType dtype = at::kFloat;  // of projectors; float64 in tests
  at::Device device = at::kCPU;
  RandomKey random;  // that no other weights are drawn from
};

class Projector {
 public:
  // Error(bad_input), naming `loss`, where the widths cannot be matched in the way that is asked for.
  Projector(const ProjectorConfig& config, std::int64_t student_width, std::int64_t teacher_width,
            const ModelShapes& shapes, const std::string& name, std::string_view loss);

  Tensor of_student(const Tensor& states) const;  // [T, W_s] -> as it is compared
  Tensor of_teacher(const Tensor& states) const;  // [T, W_t] -> likewise

  // Before step 1, from the first batches' states.
  void start(const Moments& moments);

  // With the learning rate's factor. A frozen one's weight has no gradient; it is saved all the same.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::string describe() const;  // ", projector on the student's side", or nothing

 private:
  Tensor starting_rows(const Moments& moments, std::int64_t count, std::int64_t width) const;
  Tensor orthonormal_rows() const;

  ProjectorConfig config_;
  std::int64_t student_width_, teacher_width_;
  RandomKey random_;
  std::unique_ptr<Weight> matrix_, bias_;  // [W_t, W_s] and [W_t]; on the teacher's side [W_s, W_t]
  std::vector<Parameter> parameters_;
};

}  // namespace dsd
