#include "core/train/robustness.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/base/error.h"
#include "core/data/text_change.h"
#include "core/data/typing_slips.h"
#include "core/train/perturbation.h"

namespace dsd {
namespace {

constexpr RandomKey kSlips{.seed = 0, .purpose = Purpose::adversary, .layer = 1};  // the same for every model

// The sum of the examples' losses; undefined where none has a label.
Tensor loss_against_labels(const Outputs& outputs, const Batch& batch, const Tensor& columns) {
  if (outputs.heads.empty() || !outputs.heads[0].dense.defined()) fail("an attack needs a head of plain scores");
  Tensor logits = outputs.heads[0].dense;
  if (columns.defined()) logits = logits.index_select(1, columns.to(logits.device()));
  if (const auto* values = std::get_if<Values>(&batch.labels)) {
    const Tensor target = values->of.to(logits.options());
    const Tensor known = target.isnan().logical_not();
    return (logits.squeeze(1) - target.nan_to_num()).masked_fill(known.logical_not(), 0).square().sum();
  }
  const auto* classes = std::get_if<Classes>(&batch.labels);
  if (classes == nullptr) return {};
  const Tensor labels = classes->of.to(logits.device(), at::kLong);
  const Tensor row = -at::log_softmax(logits, -1).gather(1, labels.clamp_min(0).unsqueeze(1)).squeeze(1);
  return row.masked_fill(labels < 0, 0).sum();
}

Outputs forward_attacked(Model& model, const Batch& batch, const RobustnessConfig& config, const Tensor& columns) {
  const at::AutoGradMode with_gradients(true);
  const Examples examples(batch);
  const Tensor embeddings = model.embed(batch, 0).detach();
  Tensor perturbation = at::zeros_like(embeddings);
  for (std::int64_t step = 0; step < config.steps; ++step) {
    const Tensor leaf = (embeddings + perturbation).requires_grad_();
    const Outputs outputs = model.forward(batch, Wanted{}, Pass{.embeddings = leaf});
    const Tensor loss = loss_against_labels(outputs, batch, columns);
    if (!loss.defined()) break;
    const Tensor gradient = torch::autograd::grad({loss}, {leaf})[0];
    perturbation = examples.within(perturbation + examples.of_norm(gradient, config.step_size), config.radius);
  }
  const at::NoGradGuard no_gradients;
  return model.forward(batch, Wanted{}, Pass{.embeddings = embeddings + perturbation});
}

}  // namespace

EvalSettings attacked(Model& model, const RobustnessConfig& config, EvalSettings settings) {
  const Tensor columns = settings.columns.empty() ? Tensor() : at::tensor(settings.columns, at::kInt);
  settings.forward = [&model, config, columns](const Batch& batch) {
    return forward_attacked(model, batch, config, columns);
  };
  return settings;
}

Dataset misspelt(const Task& task, const DataConfig& data, const std::vector<SplitFile>& files,
                 const Tokenizer& tokenizer, const RobustnessConfig& config) {
  Dataset changed;
  const RowChange slips = each_text(
      [&](std::string_view text, std::uint64_t number) { return with_slips(text, config.characters, kSlips, number); });
  for (const auto& file : files) changed.append(task, data, file, tokenizer, 0, slips);
  return changed;
}

Robustness robustness_of(Model& model, const Dataset& clean, const Dataset& misspelt, const Task& task,
                         const RobustnessConfig& config, const EvalSettings& settings) {
  return {.clean = evaluate(model, clean, task, settings).score(),
          .attacked = evaluate(model, clean, task, attacked(model, config, settings)).score(),
          .misspelt = evaluate(model, misspelt, task, settings).score()};
}

}  // namespace dsd
