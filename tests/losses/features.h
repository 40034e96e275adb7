#pragma once
// States of a small student and teacher in place of models', and losses on them, for the tests of losses on features.

#include <ATen/ATen.h>

#include "losses/feature_loss.h"

namespace dsd::testing {

inline ModelShapes shapes_of(std::int64_t student_width, std::int64_t teacher_width, std::int64_t heads = 4) {
  const auto shape = [&](std::int64_t layers, std::int64_t width) {
    return ModelShape{
        .layers = layers, .hidden = width, .heads = heads, .key_heads = heads, .head_width = width / heads};
  };
  return {.student = shape(2, student_width),
          .teacher = shape(4, teacher_width),
          .dtype = at::kDouble,
          .random = {.seed = 3, .purpose = Purpose::weights}};
}

inline Tensor draw(at::IntArrayRef shape, std::uint32_t which, at::ScalarType dtype = at::kDouble) {
  const auto values = normal_numbers(c10::multiply_integers(shape), 1, {.seed = 9, .step = which});
  return at::tensor(values, at::kFloat).view(shape).to(dtype);
}

inline Batch packed(const std::vector<std::int32_t>& lengths) {
  std::vector<std::int32_t> offsets{0};
  for (const auto length : lengths) offsets.push_back(offsets.back() + length);
  Batch batch;
  batch.streams.push_back({.ids = at::zeros({offsets.back()}, at::kInt), .offsets = at::tensor(offsets, at::kInt)});
  return batch;
}

using States = std::vector<std::pair<Site, Tensor>>;

// Random states of every site that is wanted, [T, width of the site].
inline States random_states(const Wanted& wanted, const ModelShape& shape, std::int64_t tokens, std::uint32_t which,
                            at::ScalarType dtype = at::kDouble) {
  States states;
  for (const Site& site : wanted.sites)
    states.emplace_back(site, draw({tokens, shape.width(site.kind)}, which++, dtype));
  return states;
}

inline Tensor sum_of(const Loss& loss, const States& student, const States& teacher, const Batch& batch) {
  const Outputs outputs{.captured = student};
  const TeacherOutputs target{.captured = teacher};
  return loss.sum({.student = {&outputs, 1}, .teachers = {&target, 1}, .batch = batch});
}

// Rows begin ... end of every site.
inline States rows_of(const States& states, std::int64_t begin, std::int64_t end) {
  States rows;
  for (const auto& [site, tensor] : states) rows.emplace_back(site, tensor.slice(0, begin, end));
  return rows;
}

}  // namespace dsd::testing
