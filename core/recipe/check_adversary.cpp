#include "core/recipe/check_adversary.h"

#include <type_traits>

#include "core/recipe/check_features.h"

namespace dsd {
namespace {

void check_mix_up(const Recipe& recipe, const TaskName& task, Faults& faults) {
  if (task.kind == TaskKind::next_token)
    add(faults, "adversary",
        "mix_up mixes the targets of two examples, and task '{}' has one for each token; use freelb", task.name);
  if (has_features(recipe.losses))
    add(faults, "adversary",
        "mix_up mixes outputs, and 'losses.features' match states that nobody can mix; remove one");
  if (recipe.train.batch < 2) add(faults, "train.batch", "'train.batch' is 1, and mix_up mixes two examples; raise it");
  else if (2 * recipe.data.max_length > recipe.train.tokens)
    add(faults, "train.tokens", "two examples of 'data.max_length' {} that mix_up mixes must fit 'train.tokens' {}",
        recipe.data.max_length, recipe.train.tokens);
}

}  // namespace

bool names_no_model(const Recipe& recipe) {
  return !recipe.teacher.path && !recipe.student.path && !recipe.student.preset;
}

void check_adversary(const Recipe& recipe, const TaskName& task, Faults& faults) {
  const bool soft = recipe.teacher.path && !is_zero(recipe.losses.soft_weight);
  const bool told = names_no_model(recipe);
  std::visit(
      [&](const auto& adversary) {
        using Config = std::decay_t<decltype(adversary)>;
        if constexpr (requires { adversary.weight; })
          if (is_zero(adversary.weight))
            add(faults, "adversary.weight", "'adversary.weight' is 0 throughout: nothing would be learnt from it");
        if constexpr (requires { adversary.radius; })
          if (is_zero(adversary.radius))
            add(faults, "adversary.radius", "'adversary.radius' is 0 throughout: nothing would be perturbed");
        if constexpr (requires { adversary.target; })
          if (adversary.target == AdversaryTarget::perturbed_teacher && !recipe.teacher.path && !told)
            add(faults, "adversary.target", "'adversary.target' is perturbed_teacher, and the recipe has no teacher");
        if constexpr (std::is_same_v<Config, KdMaxConfig>)
          if (!soft && !told)
            add(faults, "adversary", "kd_max climbs the loss against the teacher, and there is none of weight above 0");
        if constexpr (std::is_same_v<Config, MixUpConfig>) check_mix_up(recipe, task, faults);
      },
      *recipe.adversary);
}

void check_text_changes(const Recipe& recipe, const TaskName& task, Faults& faults) {
  if (recipe.eval.robustness && task.kind == TaskKind::next_token)
    add(faults, "eval.robustness", "'eval.robustness' is for tasks with labels, and '{}' has none; remove it",
        task.name);
  if (!recipe.data.augment) return;
  const AugmentConfig& augment = *recipe.data.augment;
  if (task.kind == TaskKind::next_token)
    add(faults, "data.augment", "'data.augment' is for tasks with labels, and '{}' has none; remove it", task.name);
  if (augment.words == 0 && augment.characters == 0)
    add(faults, "data.augment", "'words' and 'characters' are both 0: the copies would be the examples themselves");
  if (!recipe.teacher.path && !names_no_model(recipe))
    add(faults, "data.augment", "'data.augment' finds words by the teacher's embeddings; give 'teacher.path'");
  if (recipe.teacher.path && augment.label == CopyLabel::teacher && is_zero(recipe.losses.soft_weight) &&
      !has_features(recipe.losses))
    add(faults, "data.augment.label", "nothing is learned from the teacher, so copies need 'label: same'");
}

}  // namespace dsd
