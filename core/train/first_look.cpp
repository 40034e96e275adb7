#include "core/train/first_look.h"

#include <ATen/core/grad_mode.h>

namespace dsd {
namespace {

constexpr std::int64_t kTokens = 4096;  // several for each dimension of a wide model's states

}  // namespace

void first_look(Objective& objective, const FirstLook& look) {
  const at::NoGradGuard no_grad;
  const Wanted student_wants = objective.student_wants(), teacher_wants = objective.teacher_wants();
  std::int64_t seen = 0;
  for (std::int64_t step = 0; step < look.plan->steps_per_epoch() && seen < kTokens; ++step) {
    const auto examples = look.plan->step(step);
    for (const auto piece : micro_batches(*look.data, examples, look.tokens)) {
      const Batch batch = make_batch(*look.data, piece, look.kind, piece.data() - examples.data());
      const TeacherOutputs teacher = look.teacher->outputs(batch, teacher_wants);
      objective.look(look.student->forward(batch, student_wants, {}), teacher, batch);
      seen += batch.streams[0].tokens();
    }
  }
  objective.start();
}

}  // namespace dsd
