#pragma once
// Ready lists of stages, each by its paper: what `stages: {preset: ...}` stands for. `recipe show` prints the stages
// that a preset comes to (core/recipe/expand_stages.cpp); they read only what a recipe says, never a model.

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "core/config/fields.h"

namespace dsd {

// The temperature falls as temperature * factor^stage, the teacher's weight rises in equal steps and the labels' is
// what is left to 1: the article that this project starts from.
struct ArticleStages {
  static constexpr std::string_view kind = "article", told_by = "preset";
  std::int64_t stages = 3;
  double temperature = 2.0, factor = 0.8;
  double from = 0.5, to = 1.0;
  static void fields(auto& self, auto& v) {
    v("stages", self.stages, "how many", Range{.min = 1, .max = 100});
    v("temperature", self.temperature, "of the first stage", positive);
    v("factor", self.factor, "from each stage's temperature to the next one's", positive);
    v("from", self.from, "the teacher's weight in the first stage; the labels have the rest to 1", fraction);
    v("to", self.to, "the teacher's weight in the last stage", fraction);
  }
};

// TinyBERT (Jiao et al. 2020, arXiv:1909.10351): embeddings, hidden states and attention over all texts where some have
// no labels; then the same over the task's own; then the logits at temperature 1 (or, for numbers, the labels).
struct TinyBertStages {
  static constexpr std::string_view kind = "tinybert";
  double general_epochs = 3, intermediate_epochs = 20, prediction_epochs = 3;
  double learning_rate = 5e-5, prediction_learning_rate = 3e-5;
  static void fields(auto& self, auto& v) {
    v("general_epochs", self.general_epochs, "over all texts, where 'data.unlabelled' names some", positive);
    v("intermediate_epochs", self.intermediate_epochs,
      "over the task's texts; the paper takes 10 for large tasks, 50 for CoLA", positive);
    v("prediction_epochs", self.prediction_epochs, "of the last stage", positive);
    v("learning_rate", self.learning_rate, "train.learning_rate before the last stage", positive);
    v("prediction_learning_rate", self.prediction_learning_rate, "train.learning_rate of the last stage", positive);
  }
};

// FitNets (Romero et al. 2015, arXiv:1412.6550): up to the guided layer alone with a hint, then labels and softened
// classes, whose weight falls.
struct FitNetStages {
  static constexpr std::string_view kind = "fitnet";
  std::optional<std::int64_t> guided, hint;
  double hint_epochs = 1;
  double temperature = 3;
  double from = 4, to = 1;
  static void fields(auto& self, auto& v) {
    v("guided", self.guided, "the student's layer that learns the hint, from 1; null: the middle one", Range{.min = 1});
    v("hint", self.hint, "the teacher's layer that gives it; null: the guided one's by 'uniform'", Range{.min = 1});
    v("hint_epochs", self.hint_epochs, "of the first stage", positive);
    v("temperature", self.temperature, "of the second stage", positive);
    v("from", self.from, "the teacher's weight where the second stage begins; the labels' is 1", Range{.min = 0});
    v("to", self.to, "the teacher's weight where it ends", Range{.min = 0});
  }
};

// One layer after another learns its teacher's hidden states, all others frozen (Sun et al. 2020, "MobileBERT",
// arXiv:2004.02984, progressive transfer); then the recipe's own losses train all.
struct LayerByLayerStages {
  static constexpr std::string_view kind = "layer_by_layer";
  double layer_epochs = 1;
  static void fields(auto& self, auto& v) {
    v("layer_epochs", self.layer_epochs, "of each layer's stage; the last stage has train.epochs", positive);
  }
};

// A chain of students, each the teacher of the next, smaller one, which starts from its layers (Mirzadeh et al. 2020,
// arXiv:1902.03393).
struct TeacherAssistantStages {
  static constexpr std::string_view kind = "teacher_assistant";
  std::vector<std::int64_t> sizes;
  static void fields(auto& self, auto& v) {
    v("sizes", self.sizes, "layers of each student in turn, falling: [4, 2, 1]", Range{.min = 1, .required = true});
  }
};

// Annealing (Jafari et al. 2021, arXiv:2104.07163): regression of the teacher's logits, scaled by 1 - (T -
// 1)/temperatures for T from `temperatures` down to 1 in equal parts of the stage; then the labels alone.
struct AnnealingStages {
  static constexpr std::string_view kind = "annealing";
  std::int64_t temperatures = 10;
  double label_epochs = 3;
  static void fields(auto& self, auto& v) {
    v("temperatures", self.temperatures, "steps from the flattest logits to the teacher's own",
      Range{.min = 1, .max = 1000});
    v("label_epochs", self.label_epochs, "of the second stage; the first has train.epochs", positive);
  }
};

using StagesPreset = std::variant<ArticleStages, TinyBertStages, FitNetStages, LayerByLayerStages,
                                  TeacherAssistantStages, AnnealingStages>;

}  // namespace dsd
