#pragma once
// Settings of changes to the text itself: copies of training examples with other words, and what a model is scored on
// beside the clean text. Plain data, read from a recipe.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/config/fields.h"

namespace dsd {

// What a changed copy is held to.
enum class CopyLabel { teacher, same };
template <>
struct EnumNames<CopyLabel> {
  static constexpr std::array<std::pair<std::string_view, CopyLabel>, 2> names{
      {{"teacher", CopyLabel::teacher}, {"same", CopyLabel::same}}};
};

// Copies of training examples (Jiao et al. 2020, "TinyBERT", arXiv:1909.10351, section 3.2): core/data/augment.h.
struct AugmentConfig {
  std::int64_t copies = 1;
  double words = 0.4;
  std::int64_t candidates = 15;
  std::optional<std::string> masked_model;
  double characters = 0;
  CopyLabel label = CopyLabel::teacher;
  static void fields(auto& self, auto& v) {
    v("copies", self.copies, "changed copies of each labelled training example", Range{.min = 1, .max = 1000});
    v("words", self.words, "probability that a word is replaced", Range{.min = 0, .max = 1});
    v("candidates", self.candidates,
      "a replacement is one of so many: the nearest words by the teacher's word embeddings (of a word of several "
      "pieces, "
      "by their mean), or what masked_model holds likeliest in its place",
      Range{.min = 1, .max = 1000});
    v("masked_model", self.masked_model,
      "folder of a masked language model with the same tokenizer; null: embeddings alone");
    v("characters", self.characters, "probability that a word gets a slip of typing", Range{.min = 0, .max = 1});
    v("label", self.label, "what a copy is held to: the teacher's output on it alone, or the example's label too");
  }
};

// What models are scored on beside the clean dev set.
struct RobustnessConfig {
  double radius = 0.1;
  double step_size = 0.05;
  std::int64_t steps = 3;
  double characters = 0.2;
  static void fields(auto& self, auto& v) {
    v("radius", self.radius, "PGD on the model's own embeddings against the label: bound of an example's L2 norm",
      Range{.min = 0});
    v("step_size", self.step_size, "L2 norm of what a step of it adds", positive);
    v("steps", self.steps, "steps of it", Range{.min = 1, .max = 100});
    v("characters", self.characters, "probability that a word gets a slip of typing", Range{.min = 0, .max = 1});
  }
};

}  // namespace dsd
