#pragma once
// A teacher whose outputs are computed once for an example and remembered in a store: bound to the example, never to
// the batch or the step. The loss always reads what the store holds, the first time too.

#include <cstdint>
#include <filesystem>
#include <span>

#include "core/base/hash.h"
#include "core/teacher/logit_store.h"
#include "core/teacher/teacher.h"

namespace dsd {

// Of all that determines a teacher's logits beside the example: config, weights and their dtype, order of columns.
Key128 teacher_key(Model& model, std::span<const std::int32_t> columns);

class RememberedTeacher : public Teacher {
 public:
  // `teacher` must outlive it. `file` is made, or read where an earlier process of the run has left it; a resumed run
  // then cuts it to its checkpoint's length, one that starts anew to 0. An empty path is a file without a name, for a
  // trial. `key` is teacher_key of the model behind `teacher`.
  RememberedTeacher(Teacher& teacher, const std::filesystem::path& file, const Key128& key, std::int64_t budget_bytes);

  Capabilities can() const override;  // no captures

  // One row of logits for each sequence; batches marked transient go past the store.
  TeacherOutputs outputs(const Batch& batch, const Wanted& wanted) override;

  // Records so far, all of them synced to disk: what a checkpoint may count on.
  std::int64_t length();
  void cut(std::int64_t length) { store_.cut(length); }

 private:
  void compute_missing(const Batch& batch, const Wanted& wanted);

  Teacher& teacher_;
  LogitStore store_;
};

}  // namespace dsd
