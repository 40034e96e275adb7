// What each preset of stages comes to.
#include <fmt/format.h>

#include <cmath>

#include "core/recipe/stages.h"
#include "core/recipe/task_names.h"

namespace dsd {
namespace {

struct Expander {
  const Recipe& recipe;
  Mark key;
  Diagnostics& faults;
  std::vector<Stage> stages;

  Stage& add(std::string name) {
    Stage& stage = stages.emplace_back(inherited_stage(recipe, stages.size()));
    stage.name = std::move(name);
    return stage;
  }

  // Numbers are regressed as they are: nothing is softened.
  bool has_values() const {
    const auto task = find_task_name(recipe.task);
    return task && task->kind == TaskKind::values;
  }

  // How many layers the student has, as far as the recipe tells.
  std::optional<std::int64_t> layers(std::string_view preset) {
    const auto& student = recipe.student;
    if (student.layers) return student.layers;
    if (!student.from_layers.empty()) return static_cast<std::int64_t>(student.from_layers.size());
    faults.add(key,
               fmt::format("the preset {} must know how many layers the student has; give 'student.layers'", preset));
    return std::nullopt;
  }

  static void features_alone(Stage& stage, std::vector<FeaturePart> features) {
    auto& losses = stage.recipe.losses;
    losses.soft_weight = losses.hard_weight = 0.0;
    losses.features = std::move(features);
    stage.recipe.train.plateau.reset();  // there is no score to go by
  }

  void operator()(const ArticleStages& preset) {
    for (std::int64_t i = 0; i < preset.stages; ++i) {
      const auto at = static_cast<double>(i);
      const double share = preset.stages == 1 ? 0 : at / static_cast<double>(preset.stages - 1);
      const double weight = preset.from + (preset.to - preset.from) * share;
      auto& losses = add(fmt::format("article{}", i)).recipe.losses;
      losses.soft_weight = weight, losses.hard_weight = 1 - weight;
      losses.temperature = ScheduledTemperature{preset.temperature * std::pow(preset.factor, at)};
    }
  }

  void operator()(const TinyBertStages& preset) {
    const std::vector<FeaturePart> features{{EmbeddingConfig{}}, {HiddenConfig{}}, {AttentionConfig{}}};
    const auto matching = [&](std::string name, double epochs) -> Stage& {
      Stage& stage = add(std::move(name));
      features_alone(stage, features);
      stage.recipe.train.epochs = epochs;
      stage.recipe.train.learning_rate = preset.learning_rate;
      return stage;
    };
    if (!recipe.data.unlabelled.empty()) matching("general", preset.general_epochs);
    matching("intermediate", preset.intermediate_epochs).recipe.data.unlabelled.clear();
    Stage& last = add("prediction");
    last.recipe.data.unlabelled.clear();
    last.recipe.train.epochs = preset.prediction_epochs;
    last.recipe.train.learning_rate = preset.prediction_learning_rate;
    auto& losses = last.recipe.losses;
    losses.features.clear();
    losses.soft_weight = has_values() ? 0.0 : 1.0, losses.hard_weight = has_values() ? 1.0 : 0.0;
    losses.temperature = ScheduledTemperature{1.0};
    if (!has_values()) losses.soft = SoftCrossEntropyConfig{.t_squared = false};
  }

  void operator()(const FitNetStages& preset) {
    const auto count = layers(preset.kind);
    if (!count) return;
    const std::int64_t guided = preset.guided.value_or((*count + 1) / 2);
    if (guided > *count) {
      faults.add(key, fmt::format("'stages.guided' is layer {} of a student of {}", guided, *count));
      return;
    }
    FitNetConfig hint;
    if (preset.hint) hint.pairs = {{.student = guided, .teacher = *preset.hint}};
    else hint.layers = LayerMap::uniform, hint.only = guided;
    Stage& first = add("hint");
    features_alone(first, {{hint}});
    first.recipe.train.epochs = preset.hint_epochs;
    // Layers are counted from 0 here: what is above the guided layer waits.
    if (guided < *count)
      first.recipe.student.freeze.push_back({.kind = FreezeGroup::Kind::layers, .first = guided, .last = {}});
    first.recipe.student.freeze.push_back({.kind = FreezeGroup::Kind::head});
    auto& losses = add("distil").recipe.losses;
    losses.features.clear();
    losses.hard_weight = 1.0;
    losses.soft_weight = preset.from == preset.to ? ScheduleConfig(preset.from)
                                                  : schedule_of(fmt::format("{} -> {} linear", preset.from, preset.to));
    losses.temperature = ScheduledTemperature{preset.temperature};
    if (!has_values()) losses.soft = ForwardKlConfig{.t_squared = false};
  }

  void operator()(const LayerByLayerStages& preset) {
    const auto count = layers(preset.kind);
    if (!count) return;
    for (std::int64_t layer = 1; layer <= *count; ++layer) {
      HiddenConfig hidden;
      hidden.layers = LayerMap::uniform, hidden.only = layer;
      Stage& stage = add(fmt::format("layer{}", layer));
      features_alone(stage, {{hidden}});
      stage.recipe.train.epochs = preset.layer_epochs;
      auto& freeze = stage.recipe.student.freeze;
      if (layer > 1) {
        freeze.push_back({.kind = FreezeGroup::Kind::embeddings});
        freeze.push_back({.kind = FreezeGroup::Kind::layers, .first = 0, .last = layer - 2});
      }
      if (layer < *count) freeze.push_back({.kind = FreezeGroup::Kind::layers, .first = layer, .last = {}});
      freeze.push_back({.kind = FreezeGroup::Kind::head});
    }
    add("prediction");
  }

  void operator()(const TeacherAssistantStages& preset) {
    const auto& sizes = preset.sizes;
    if (sizes.empty()) return faults.add(key, "'stages.sizes' names no student: give their layers, as in [4, 2, 1]");
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (i > 0 && sizes[i] >= sizes[i - 1])
        return faults.add(key, fmt::format("'stages.sizes' must fall from student to student, and {} follows {}",
                                           sizes[i], sizes[i - 1]));
      Stage& stage = add(fmt::format("{}{}", i + 1 < sizes.size() ? "assistant" : "student", sizes[i]));
      stage.recipe.student.layers = sizes[i];
      if (i > 0) stage.recipe.teacher.path = "previous";
    }
  }

  void operator()(const AnnealingStages& preset) {
    const auto most = static_cast<double>(preset.temperatures);
    auto& regression = add("annealing").recipe.losses;
    LogitMeanSquaredErrorConfig loss;
    if (preset.temperatures > 1)
      loss.teacher_scale = schedule_of(fmt::format("{} -> 1 in {} stages", 1 / most, preset.temperatures));
    regression.soft = loss;
    regression.soft_weight = 1.0, regression.hard_weight = 0.0;
    regression.features.clear();
    Stage& labels = add("labels");
    labels.recipe.data.unlabelled.clear();
    labels.recipe.train.epochs = preset.label_epochs;
    labels.recipe.losses.soft_weight = 0.0, labels.recipe.losses.hard_weight = 1.0;
    labels.recipe.losses.features.clear();
  }
};

}  // namespace

std::vector<Stage> expand_stages(const StagesPreset& preset, const Recipe& recipe, Mark key, Diagnostics& faults) {
  Expander expander{recipe, key, faults, {}};
  std::visit(expander, preset);
  return std::move(expander.stages);
}

}  // namespace dsd
