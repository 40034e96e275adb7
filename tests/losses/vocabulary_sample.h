#pragma once
// A student's head over a vocabulary, a teacher of each form, and labels: what the tests of the walk share.

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/base/random.h"
#include "losses/vocabulary_head.h"

namespace dsd::sample {

using at::Tensor;

inline Tensor numbers(std::vector<std::int64_t> shape, double deviation, std::uint64_t seed) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return at::tensor(normal_numbers(count, deviation, {.seed = seed, .purpose = Purpose::weights}), at::kFloat)
      .view(shape);
}

enum class Form { lazy, dense, top };  // of the teacher

struct Case {
  std::int64_t rows = 7, classes = 37, hidden = 12, teacher_hidden = 20, tile_rows = 256;
  VocabularyTerms terms;
  float scale = 1, soft_cap = 0;
  bool bias = false, bf16 = false, padded = false;  // padded: more rows of weight than classes
  Form form = Form::lazy;
  RowTemperature rule;
};

// One side of a comparison, in its own dtype.
struct Side {
  Weight weight, teacher_weight;
  Scores scores;
  Target teacher;
  Tensor labels;
  Tensor temperatures, difficulties;  // room for a rule's; temperatures that are given lie between 1 and 3

  Side(const Case& c, at::ScalarType type) {
    const auto leaf = [&](std::vector<std::int64_t> shape, double deviation, std::uint64_t seed) {
      Tensor values = numbers(std::move(shape), deviation, seed);
      if (c.bf16) values = values.to(at::kBFloat16).to(at::kFloat);
      return values.to(type).requires_grad_();
    };
    const std::int64_t padding = c.padded ? 3 : 0;
    weight.master = leaf({c.classes + padding, c.hidden}, 0.5, 1);
    teacher_weight.master = leaf({c.classes, c.teacher_hidden}, 0.5, 2).requires_grad_(false);
    if (c.bf16 && type == at::kFloat) {
      weight.shadow = weight.master.detach().to(at::kBFloat16);
      teacher_weight.shadow = teacher_weight.master.to(at::kBFloat16);
    }
    scores = {.hidden = leaf({c.rows, c.hidden}, 1, 3),
              .weight = &weight,
              .scale = c.scale,
              .soft_cap = c.soft_cap,
              .classes = c.classes};
    if (c.bias) scores.bias = leaf({c.classes + padding}, 0.5, 4);
    teacher = teacher_of(c, leaf({c.rows, c.teacher_hidden}, 1, 5).detach());
    labels = at::empty({c.rows}, at::kInt);
    for (std::int64_t i = 0; i < c.rows; ++i) labels[i] = i % 4 == 2 ? -1 : static_cast<int>(i * 5 % c.classes);
    temperatures = at::linspace(1, 3, c.rows, at::kFloat), difficulties = at::empty({c.rows}, at::kFloat);
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  VocabularyWork work(const Case& c) const {
    return {.student = &scores,
            .teacher = &teacher,
            .labels = labels,
            .terms = c.terms,
            .rule = c.rule,
            .temperatures = temperatures,
            .difficulties = difficulties,
            .tile_rows = c.tile_rows};
  }

 private:
  Target teacher_of(const Case& c, const Tensor& hidden) const {
    const Scores lazy{.hidden = hidden, .weight = &teacher_weight, .soft_cap = c.soft_cap, .classes = c.classes};
    if (c.form == Form::lazy) return lazy;
    const Tensor logits = dense_rows(lazy, 0, c.rows);
    if (c.form == Form::dense) {
      // Dense scores are logits before scale and cap, as a head's products are; padding beyond the classes.
      return Scores{.soft_cap = 0, .classes = c.classes, .dense = at::cat({logits, at::ones_like(logits)}, 1)};
    }
    const Tensor log_p = at::log_softmax(logits * static_cast<double>(c.terms.inverse_temperature), -1);
    const auto [best, ids] = log_p.topk(std::min<std::int64_t>(5, c.classes), -1);
    const Tensor tail = log_p.scatter(-1, ids, -INFINITY).logsumexp(-1);
    return TopK{.ids = ids.to(at::kInt),
                .log_p = best,
                .log_tail = tail,
                .temperature = 1 / static_cast<double>(c.terms.inverse_temperature)};
  }
};

inline double relative(const Tensor& got, const Tensor& expected) {
  const double size = std::max(expected.abs().max().item<double>(), 1e-6);
  return (got.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>() / size;
}

inline const std::vector<VocabularyTerms> kTerms{
    {.forward = 0.7f},
    {.cross_entropy = 0.3f},
    {.forward = 0.7f, .cross_entropy = 0.3f, .inverse_temperature = 0.5f},
    {.reverse = 0.9f, .inverse_temperature = 0.25f},
    {.jensen_shannon = 2.0f, .teacher_share = 0.1f, .inverse_temperature = 0.5f},
    {.jensen_shannon = 1.0f, .teacher_share = 0.9f},
    {.reverse = 0.2f, .jensen_shannon = 0.5f, .cross_entropy = 0.3f, .label_smoothing = 0.2f},
    {.cross_entropy = 1.0f, .label_smoothing = 0.1f},
    {.soft_cross_entropy = 0.7f, .cross_entropy = 0.3f, .inverse_temperature = 0.5f},
    {.skew = 0.8f, .teacher_share = 0.1f, .inverse_temperature = 0.5f},
    {.skew_reverse = 0.8f, .teacher_share = 0.9f},
    {.total_variation = 1.5f, .cross_entropy = 0.3f, .inverse_temperature = 0.25f}};

}  // namespace dsd::sample
