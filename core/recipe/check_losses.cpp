#include "core/recipe/check_losses.h"

#include "core/recipe/check_adversary.h"
#include "core/recipe/check_features.h"

namespace dsd {
namespace {

// What a loss against the teacher asks of the task.
void check_soft_loss(const Recipe& recipe, const SoftLossConfig& soft, const TaskName& task, Faults& faults) {
  const auto name = std::visit([](const auto& loss) { return loss.kind; }, soft);
  const LogitsConfig logits = logits_of(soft);
  const bool corrects = logits.correct_teacher != TeacherCorrection::none;
  if (task.kind == TaskKind::values) {
    if (!std::holds_alternative<LogitMeanSquaredErrorConfig>(soft))
      add(faults, "losses.soft", "task '{}' has numbers, and {} compares classes; use mean_squared_error", task.name,
          name);
    else if (logits.standardise)
      add(faults, "losses.soft.standardise",
          "task '{}' has one number a row, which standardising makes 0; remove 'standardise'", task.name);
  }
  if (task.kind != TaskKind::next_token) return;
  if (const auto instead = over_vocabulary_use(soft); !instead.empty())
    add(faults, "losses.soft", "task '{}' never has all its scores at once, and {} asks for them; use {}", task.name,
        name, instead);
  else if (logits.standardise || corrects)
    add(faults, logits.standardise ? "losses.soft.standardise" : "losses.soft.correct_teacher",
        "task '{}' never has all its scores at once, and '{}' asks for them; use {} without it", task.name,
        logits.standardise ? "standardise" : "correct_teacher", name);
  if (std::holds_alternative<TaidConfig>(soft) && recipe.teacher.keep == TeacherKeep::top_k)
    add(faults, "teacher.keep",
        "'keep: top_k' remembers the likeliest tokens, and taid mixes all scores with the student's; keep hidden "
        "states");
}

// Settings of a loss against the teacher that contradict one another.
void check_own_settings(const SoftLossConfig& soft, Faults& faults) {
  const auto need_weight = [&](std::string_view name, double first, double second) {
    if (first == 0 && second == 0)
      add(faults, "losses.soft", "both weights of {} are 0: there is nothing to minimise", name);
  };
  if (const auto* decoupled = std::get_if<DecoupledKdConfig>(&soft))
    need_weight(decoupled->kind, decoupled->target_weight, decoupled->others_weight);
  if (const auto* dist = std::get_if<DistConfig>(&soft))
    need_weight(dist->kind, dist->inter_weight, dist->intra_weight);
  if (const auto* taid = std::get_if<TaidConfig>(&soft); taid != nullptr && taid->from > taid->to)
    add(faults, "losses.soft.from", "'losses.soft.from' {} is above 'losses.soft.to' {}", taid->from, taid->to);
  const LogitsConfig logits = logits_of(soft);
  if (logits.margin != LogitsConfig().margin && logits.correct_teacher != TeacherCorrection::mft)
    add(faults, "losses.soft.margin", "'losses.soft.margin' is for 'correct_teacher: mft'; remove it");
}

// Pools of examples that losses compare.
void check_pool(const Recipe& recipe, Faults& faults) {
  const auto& losses = recipe.losses;
  if (!losses.soft || !compares_examples(*losses.soft)) {
    if (losses.pool) add(faults, "losses.pool", "'losses.pool' is for dist and contrastive; remove it");
    return;
  }
  const std::int64_t batch = recipe.train.batch, pool = pool_size(losses, batch);
  if (batch % pool != 0)
    add(faults, "losses.pool", "'train.batch' {} is no whole number of pools of 'losses.pool' {}", batch, pool);
  else if (pool < 2)
    add(faults, "train.batch", "'train.batch' is 1, and the loss compares examples of a step; raise it");
  else if (pool * recipe.data.max_length > recipe.train.tokens)
    add(faults, losses.pool ? "losses.pool" : "train.tokens",
        "a pool of {} examples of 'data.max_length' {} must fit 'train.tokens' {}; raise it, or give a smaller "
        "'losses.pool'",
        pool, recipe.data.max_length, recipe.train.tokens);
}

void check_adaptive(const AdaptiveTemperature& config, Faults& faults) {
  if (config.min >= config.max)
    add(faults, "losses.temperature.min", "'losses.temperature.min' {} must be below 'max' {}", config.min, config.max);
  else if (const auto [least, largest] = extremes(config.base); least < config.min || largest > config.max)
    add(faults, "losses.temperature.base", "'losses.temperature.base' goes from {} to {}, beyond 'min' {} and 'max' {}",
        least, largest, config.min, config.max);
}

// What a temperature that is not the same for every row asks of the task.
void check_temperature(const Recipe& recipe, const TaskName& task, Faults& faults) {
  const auto& temperature = recipe.losses.temperature;
  if (!temperature || std::holds_alternative<ScheduledTemperature>(*temperature)) return;
  const auto kind = std::visit([](const auto& one) { return one.kind; }, *temperature);
  if (const auto* adaptive = adaptive_part(*temperature)) check_adaptive(*adaptive, faults);
  if (const auto* learned = std::get_if<LearnedTemperature>(&*temperature)) {
    if (learned->min >= learned->max)
      add(faults, "losses.temperature.min", "'losses.temperature.min' {} must be below 'max' {}", learned->min,
          learned->max);
    if (task.kind == TaskKind::next_token)
      add(faults, "losses.temperature",
          "a learned temperature needs the scores of a few classes; over a vocabulary use flsw, cwsm or entropy");
  }
  const SoftLossConfig by_task =
      task.kind == TaskKind::values ? SoftLossConfig(LogitMeanSquaredErrorConfig{}) : SoftLossConfig(ForwardKlConfig{});
  const SoftLossConfig loss = recipe.losses.soft.value_or(by_task);
  const auto name = std::visit([](const auto& one) { return one.kind; }, loss);
  if (const auto why = one_temperature(loss); !why.empty())
    add(faults, "losses.temperature", "{} {}, so 'losses.temperature' cannot be {}", name, why, kind);
}

}  // namespace

void check_losses(const Recipe& recipe, const TaskName& task, Faults& faults) {
  const auto& losses = recipe.losses;
  const bool values = task.kind == TaskKind::values;
  if (losses.soft) {
    check_soft_loss(recipe, *losses.soft, task, faults);
    check_own_settings(*losses.soft, faults);
  }
  check_pool(recipe, faults);
  if (values && losses.hard && std::holds_alternative<CrossEntropyConfig>(*losses.hard))
    add(faults, "losses.hard", "task '{}' has numbers, and cross_entropy is for classes; use mean_squared_error",
        task.name);
  if (!values && losses.hard && std::holds_alternative<MeanSquaredErrorConfig>(*losses.hard))
    add(faults, "losses.hard", "task '{}' has {}, and mean_squared_error is for numbers; use cross_entropy", task.name,
        task.kind == TaskKind::next_token ? "tokens" : "classes");
  if (recipe.teacher.path && is_zero(losses.soft_weight) && is_zero(losses.hard_weight) && !has_features(losses))
    add(faults, "losses.soft_weight", "the soft and the hard weight{} 0 throughout: there is nothing to minimise",
        losses.features.empty() ? " are both" : ", and those of all losses on features, are");
  check_temperature(recipe, task, faults);
  if (recipe.adversary) check_adversary(recipe, task, faults);
}

}  // namespace dsd
