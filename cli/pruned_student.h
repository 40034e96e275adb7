#pragma once
// A recipe's `student.start: pruned`: the base's parts are weighed on training examples and the student is cut out of
// it.

#include <memory>
#include <string>
#include <vector>

#include "core/compress/prune.h"
#include "core/data/dataset.h"
#include "core/model/model.h"

namespace dsd {

PruneSizes prune_sizes(const StudentConfig& wanted);

struct PrunedStudent {
  Model& base;
  const ModelConfig& config;  // the student's
  const StudentConfig& wanted;
  const Dataset& train;
  TaskKind kind;
  bool copy_head;
  const ModelOptions& options;
  const RandomKey& random;
};

// Names what was drawn at random in `fresh`, and says in `lines` what was cut off.
std::unique_ptr<Model> pruned_student(const PrunedStudent& parts, std::vector<std::string>* fresh,
                                      std::vector<std::string>* lines);

}  // namespace dsd
