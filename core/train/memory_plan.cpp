#include "core/train/memory_plan.h"

#include <sys/resource.h>

#include <algorithm>

namespace dsd {
namespace {

constexpr double kTile = 256;       // rows whose scores over a vocabulary exist at a time
constexpr double kRecord = 88;      // key, length and checksum of what is remembered, and its entry in the index
constexpr double kProcess = 200e6;  // LibTorch's libraries and thread pools, measured at start

struct Shape {
  double layers = 0, hidden = 0, intermediate = 0;
};

Shape shape_of(Model& model) {
  const FamilyConfig& family = model.config().family;
  Shape shape{static_cast<double>(layer_count(family)), static_cast<double>(hidden_size(family)),
              static_cast<double>(intermediate_size(family))};
  // A token's row passes through each expert that it takes.
  if (const auto* experts = experts_of(family))
    shape.intermediate = static_cast<double>(experts->num_experts_per_tok) * (shape.intermediate + shape.hidden);
  return shape;
}

// Floats that a layer keeps for its backward, a token: input, queries, keys, values, context, two normalised rows, the
// middle row, and the MLP's activation with its derivative.
double kept_a_token(const Shape& shape) { return 8 * shape.hidden + 2 * shape.intermediate; }

// Floats of the layer at work: the temporaries of its forward or backward.
double working_a_token(const Shape& shape) { return 6 * shape.hidden + 2 * shape.intermediate; }

}  // namespace

double MemoryPlan::total() const {
  double sum = 0;
  for (const auto& [name, bytes] : parts) sum += bytes;
  return sum;
}

std::string MemoryPlan::largest() const {
  return std::ranges::max_element(parts, {}, [](const auto& part) { return part.second; })->first;
}

MemoryPlan plan_memory(const PlannedRun& run) {
  const auto tokens = static_cast<double>(run.micro_batch_tokens);
  const auto parameters = static_cast<double>(run.student->parameter_count());
  const Shape shape = shape_of(*run.student);
  MemoryPlan plan;
  plan.parts.emplace_back("program and LibTorch", kProcess);
  plan.parts.emplace_back("student's weights", (run.bf16 ? 6 : 4) * parameters);
  plan.parts.emplace_back("gradients and moments", 12 * parameters);
  plan.parts.emplace_back("activations", 4 * tokens * (shape.layers * kept_a_token(shape) + working_a_token(shape)));
  if (run.teacher) {
    plan.parts.emplace_back("teacher's weights",
                            (run.bf16 ? 6 : 4) * static_cast<double>(run.teacher->parameter_count()));
    plan.parts.emplace_back("teacher at work", 4 * tokens * working_a_token(shape_of(*run.teacher)));
    if (run.remember)
      plan.parts.emplace_back("remembered outputs",
                              std::min(static_cast<double>(run.budget_mib) * 1048576,
                                       kRecord * static_cast<double>(run.examples) +
                                           static_cast<double>(run.row_bytes) * static_cast<double>(run.rows) +
                                           static_cast<double>(run.token_bytes) * static_cast<double>(run.tokens)));
  }
  // The student's scores, their gradient, and the teacher's scores.
  if (run.vocabulary > 0)
    plan.parts.emplace_back("a tile of scores",
                            4 * kTile * static_cast<double>(run.vocabulary) * (run.teacher ? 3 : 2));
  plan.parts.emplace_back("index of the examples", 16.0 * static_cast<double>(run.examples));
  return plan;
}

std::int64_t largest_micro_batch(const Dataset& data, Plan& plan, std::int64_t most_tokens, std::int64_t pool,
                                 std::int64_t steps) {
  std::int64_t largest = 0;
  for (std::int64_t step = 0; step < std::min(steps, plan.steps_per_epoch()); ++step) {
    const auto examples = plan.step(step);
    for (const auto piece : micro_batches(data, examples, most_tokens, pool)) {
      std::int64_t tokens = 0;
      for (const auto example : piece) tokens += data.length(example);
      largest = std::max(largest, tokens);
    }
  }
  return largest;
}

double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

}  // namespace dsd
