#include "kernels/attention.h"

#include <cmath>
#include <vector>

#include "kernels/parallel.h"

namespace dsd {
namespace {

// Where each sequence's queries begin.
std::vector<std::int32_t> query_bounds(const AttentionInput& input) {
  const auto* offsets = input.offsets.const_data_ptr<std::int32_t>();
  const std::int64_t sequences = input.offsets.size(0) - 1;
  if (!input.query_rows.defined()) return {offsets, offsets + sequences + 1};
  const auto* rows = input.query_rows.const_data_ptr<std::int32_t>();
  const std::int64_t count = input.query_rows.size(0);
  std::vector<std::int32_t> bounds{0};
  std::int32_t at = 0;
  for (std::int64_t s = 0; s < sequences; ++s) {
    while (at < count && rows[at] < offsets[s + 1]) ++at;
    bounds.push_back(at);
  }
  return bounds;
}

// The heads of all sequences in one row, cut where about equal work lies on either side.
struct Plan {
  std::vector<std::int32_t> bounds;
  std::vector<std::int64_t> cuts;  // [parts + 1]
  at::Tensor scratch;              // [parts, floats of one]

  std::int64_t parts() const { return std::ssize(cuts) - 1; }
};

Plan make_plan(const AttentionInput& input) {
  Plan plan{query_bounds(input), {0}, {}};
  const auto* offsets = input.offsets.const_data_ptr<std::int32_t>();
  const std::int64_t sequences = input.offsets.size(0) - 1;
  std::int64_t longest = 0, total = 0;
  std::vector<std::int64_t> work_before{0};
  for (std::int64_t s = 0; s < sequences; ++s) {
    const std::int64_t length = offsets[s + 1] - offsets[s];
    longest = std::max(longest, length);
    // Copying a head's operands costs about as much as eight more queries.
    total += (length + 15) / 16 *
             (plan.bounds[static_cast<std::size_t>(s + 1)] - plan.bounds[static_cast<std::size_t>(s)] + 8);
    work_before.push_back(total);
  }
  const std::int64_t parts = part_count(total * input.heads, 64);
  for (std::int64_t part = 1; part < parts; ++part) {
    const std::int64_t wanted = total * part / parts;
    const auto after = std::upper_bound(work_before.begin(), work_before.end(), wanted) - work_before.begin();
    const std::int64_t s = std::min<std::int64_t>(after - 1, sequences - 1);
    const std::int64_t before = work_before[static_cast<std::size_t>(s)];
    const std::int64_t own = std::max<std::int64_t>(work_before[static_cast<std::size_t>(s + 1)] - before, 1);
    plan.cuts.push_back(s * input.heads + (wanted - before) * input.heads / own);
  }
  plan.cuts.push_back(sequences * input.heads);
  const std::int64_t width = input.queries.size(1) / input.heads;
  plan.scratch = at::empty({parts, cpu::attention_scratch(longest, width)}, at::kFloat);
  return plan;
}

cpu::Attention loop_of(const AttentionInput& input, const Plan& plan, float* softmax) {
  cpu::Attention loop;
  loop.queries = input.queries.const_data_ptr<float>();
  loop.keys = input.keys.const_data_ptr<float>();
  loop.values = input.values.const_data_ptr<float>();
  loop.query_stride = input.queries.stride(0);
  loop.key_stride = input.keys.stride(0);
  loop.bias = pointer_or_null<float>(input.bias);
  loop.offsets = input.offsets.const_data_ptr<std::int32_t>();
  loop.query_offsets = plan.bounds.data();
  loop.query_rows = pointer_or_null<std::int32_t>(input.query_rows);
  loop.places = pointer_or_null<std::int32_t>(input.places);
  loop.heads = input.heads;
  loop.head_width = input.queries.size(1) / input.heads;
  loop.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(loop.head_width)));
  loop.dropout = words_of(input.dropout);
  loop.softmax = softmax;
  return loop;
}

template <class Body>
void run(const Plan& plan, Body body) {
  in_parts(plan.parts(), plan.parts(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    for (std::int64_t part = begin; part < end; ++part) {
      float* scratch = plan.scratch.mutable_data_ptr<float>() + part * plan.scratch.size(1);
      const auto at = static_cast<std::size_t>(part);
      body(scratch, plan.cuts[at], plan.cuts[at + 1], part);
    }
  });
}

}  // namespace

at::Tensor attention(const AttentionInput& input, at::Tensor* softmax, at::ScalarType type,
                     const cpu::Functions& functions) {
  const std::int64_t queries = input.queries.size(0);
  const Plan plan = make_plan(input);
  if (softmax != nullptr) *softmax = at::empty({queries, input.heads, 2}, at::kFloat);
  at::Tensor out = at::empty({queries, input.queries.size(1)}, type);
  cpu::AttentionForward loop;
  loop.attention = loop_of(input, plan, softmax != nullptr ? softmax->mutable_data_ptr<float>() : nullptr);
  if (type == at::kBFloat16) {
    loop.out_bf16 = bf16_pointer(out);
  } else {
    loop.out = out.mutable_data_ptr<float>();
  }
  run(plan, [&](float* scratch, std::int64_t begin, std::int64_t end, std::int64_t) {
    functions.attention_forward(loop, scratch, begin, end);
  });
  return out;
}

void attention_backward(const at::Tensor& gradient, const AttentionInput& input, const at::Tensor& softmax,
                        const AttentionGradients& gradients, const cpu::Functions& functions) {
  TORCH_CHECK(
      gradients.queries.strides() == input.queries.strides() && gradients.keys.strides() == input.keys.strides() &&
          gradients.values.strides() == input.values.strides() && input.keys.strides() == input.values.strides(),
      "attention's gradients stand like its operands");
  const Plan plan = make_plan(input);
  cpu::AttentionBackward loop;
  loop.attention = loop_of(input, plan, softmax.mutable_data_ptr<float>());
  loop.gradient = gradient.const_data_ptr<float>();
  if (gradients.queries.scalar_type() == at::kBFloat16) {
    loop.to_queries_bf16 = bf16_pointer(gradients.queries);
    loop.to_keys_bf16 = bf16_pointer(gradients.keys);
    loop.to_values_bf16 = bf16_pointer(gradients.values);
  } else {
    loop.to_queries = gradients.queries.mutable_data_ptr<float>();
    loop.to_keys = gradients.keys.mutable_data_ptr<float>();
    loop.to_values = gradients.values.mutable_data_ptr<float>();
  }
  const std::int64_t width = 3 * input.queries.size(1);
  PartSums sums(plan.parts(), width);
  run(plan, [&](float* scratch, std::int64_t begin, std::int64_t end, std::int64_t part) {
    functions.attention_backward(loop, sums.of(part), scratch, begin, end);
  });
  sums.fold(0, width, gradients.bias);
}

}  // namespace dsd
