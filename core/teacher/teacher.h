#pragma once
// A frozen model that the student learns from, wherever its outputs come from: computed in this process, remembered
// from an earlier pass, stored in a file. The loss always reads what the store holds, the first time too.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/model/model.h"

namespace dsd {

struct Capabilities {
  std::int64_t classes = 0;  // of its head: labels, or tokens of its vocabulary
  std::int64_t layers = 0, hidden = 0;
  std::int64_t query_width = 0, key_width = 0;
  bool captures = false;   // can give hidden states and the like
  std::int64_t top_k = 0;  // its targets are TopK of so many; 0: whole Scores
  std::int64_t width(const Site& site) const;
};

class Teacher {
 public:
  virtual ~Teacher() = default;
  virtual Capabilities can() const = 0;
  // Starts what can be started early; the default does nothing.
  virtual void prefetch(const Batch&, const Wanted&) {}
  virtual TeacherOutputs outputs(const Batch& batch, const Wanted& wanted) = 0;
};

// `columns[c]` is the teacher's logit of the task's class c (labels are matched by name); empty: as they are.
std::unique_ptr<Teacher> in_process_teacher(std::shared_ptr<Model> model, std::vector<std::int32_t> columns);

}  // namespace dsd
