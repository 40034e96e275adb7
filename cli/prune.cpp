// `dsdistill prune`: a model cut down to its most important parts, with its score before and after the cut.
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/run_parts.h"
#include "cli/threads.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/program.h"
#include "core/base/thousands.h"
#include "core/compress/report.h"
#include "core/compress/sample.h"
#include "core/config/overrides.h"
#include "core/eval/evaluator.h"
#include "core/eval/labels.h"
#include "core/export/check.h"
#include "core/export/model_folder.h"
#include "core/formats/locate.h"
#include "core/model/parameter_counts.h"
#include "core/recipe/load.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTextLength = 256;  // tokens of a piece, where nobody says
constexpr std::int64_t kScored = 256;      // pieces of text that a model is scored on

// What the parts are weighed on, and what the model is scored on.
struct Material {
  Task task;
  Dataset measured, scored;  // scored is empty where no score can be told
  std::vector<std::int64_t> examples;
};

// Flags as a recipe, so that they are read and checked by the same rules.
Recipe recipe_of(const PruneOptions& options, const std::string& task, std::int64_t length) {
  const fs::path data = options.data;
  Overrides overrides{text_override("task", task), text_override("data.root", options.data),
                      text_override("student.path", options.model), fmt::format("data.max_length={}", length)};
  for (const char* key : {"eval.tokens", "train.tokens"})
    overrides.push_back(fmt::format("{}={}", key, std::max<std::int64_t>(length, EvalConfig().tokens)));
  if (fs::is_regular_file(data)) {
    overrides.push_back(text_override("data.root", data.has_parent_path() ? data.parent_path().string() : "."));
    for (const char* key : {"data.train", "data.dev"})
      overrides.push_back(text_override(key, data.filename().string()));
  }
  overrides.insert(overrides.end(), options.overrides.begin(), options.overrides.end());
  return parse_recipe("{}", "the flags", overrides);
}

Dataset split_of(const Recipe& recipe, const Task& task, Split split, const Tokenizer& tokenizer) {
  Dataset data;
  for (const auto& file : split_files(task, recipe.data, split)) data.append(task, recipe.data, file, tokenizer, 0);
  return data;
}

// Of one text, what is scored is not what the parts were weighed on, if it is more than one piece.
void hold_out(Material& material, std::int64_t examples) {
  const std::int64_t size = material.measured.size();
  material.examples = spread_over(size, std::min(examples, (size + 1) / 2));
  std::vector<std::int64_t> rest;
  for (std::int64_t i = 0; i < size; ++i)
    if (size == 1 || !std::ranges::binary_search(material.examples, i)) rest.push_back(i);
  for (const std::int64_t i : spread_over(std::ssize(rest), kScored))
    material.scored.append(material.measured.read(rest[static_cast<std::size_t>(i)]));
}

Material material_of(const PruneOptions& options, const Model& model, const Tokenizer& tokenizer) {
  const bool tells_tokens = frozen_options(model.config()).head == HeadKind::next_token;
  const std::string task =
      options.task == "perplexity" || (options.task.empty() && tells_tokens) ? "language_model" : options.task;
  const std::int64_t room = most_positions(model.config().family);
  const std::int64_t length =
      options.max_length.value_or(std::min(task == "language_model" ? kTextLength : DataConfig().max_length, room));
  if (length > room)
    fail_as(ExitCode::bad_input, "--max-length is {}, but the model has positions for {} tokens", length, room);
  Material material;
  if (task.empty()) {
    material.task = {.name = "text", .kind = TaskKind::classes};
    const DataConfig data{.format = TextFormat::text, .max_length = length};
    material.measured.append(material.task, data,
                             {.path = options.data, .part = "", .labelled = false, .split = Split::unlabelled},
                             tokenizer, 0);
    material.examples = spread_over(material.measured.size(), options.examples);
    return material;
  }
  const Recipe recipe = recipe_of(options, task, length);
  material.task = find_task(recipe.task, recipe.data);
  if (material.task.kind == TaskKind::next_token && !tells_tokens)
    fail_as(ExitCode::bad_input, "{}: has no head that tells the next token; name the task that it was trained for",
            options.model);
  material.measured = split_of(recipe, material.task, Split::train, tokenizer);
  if (recipe.data.train == recipe.data.dev && recipe.data.dev) {
    hold_out(material, options.examples);
  } else {
    material.examples = spread_over(material.measured.size(), options.examples);
    material.scored = split_of(recipe, material.task, Split::dev, tokenizer);
  }
  return material;
}

std::vector<std::int32_t> columns_of(const PruneOptions& options, Model& model, const Material& material) {
  if (material.scored.size() == 0 || material.task.kind == TaskKind::next_token) return {};
  return match_labels(material.task, model.config().head,
                      {.model = options.model, .stated = {}, .in_recipe = false, .score = {}});
}

ParameterCounts counts_of(const ModelConfig& config) {
  const ModelOptions options = frozen_options(config);
  return parameter_counts(config, options.head, options.outputs);
}

std::string change_of(std::string_view what, std::int64_t before, std::int64_t after) {
  return fmt::format("{:<11} {} -> {}, 1/{:.1f}", what, thousands(static_cast<double>(before)),
                     thousands(static_cast<double>(after)), static_cast<double>(before) / static_cast<double>(after));
}

}  // namespace

int run_prune(const PruneOptions& options) {
  Console console;
  use_threads(options.threads);
  if (fs::exists(options.out) && !options.force) fail("{}: is there already; --force replaces it", options.out);
  const fs::path folder = locate_model(options.model);
  const auto base = load_frozen_model(folder);
  ModelConfig config = base->config();
  config.family = pruned_family(config.family, {.layers = options.layers,
                                                .hidden = options.hidden,
                                                .heads = options.heads,
                                                .intermediate = options.intermediate,
                                                .experts = options.experts,
                                                .prefix = "--"});
  const Material material = material_of(options, *base, Tokenizer::load(folder));
  const EvalSettings settings{.columns = columns_of(options, *base, material)};
  console.line("model     {}: {}", options.model, describe_model(*base));
  const Importance importance =
      measure_importance(*base, batches_of(material.measured, material.examples, material.task.kind));
  console.line("measured  on {} of {} examples, {} tokens", material.examples.size(), material.measured.size(),
               thousands(static_cast<double>(importance.tokens)));
  const Kept kept = choose_parts(importance, base->config().family, config.family);
  const auto small = pruned_model(*base, config, kept, importance, true, frozen_options(base->config()), {}, nullptr);
  write_folder_atomically(options.out, options.force, [&](const fs::path& into) {
    write_model(*small, folder, into, at::kFloat);
    check_weights(*small, into, at::kFloat);
  });

  const PruningReport report{importance, kept, base->config().family, small->config().family};
  if (!options.json.empty()) write_atomically(options.json, pruning_json(report));
  fmt::print("{}", pruning_table(report));
  for (const auto& line : pruning_lines(report)) fmt::print("{}\n", line);
  const ParameterCounts before = counts_of(base->config()), after = counts_of(small->config());
  fmt::print("{}\n{}\n", change_of("stored", before.stored, after.stored),
             change_of("effective", before.effective, after.effective));
  if (material.scored.size() > 0) {
    const auto score = [&](Model& model) { return evaluate(model, material.scored, material.task, settings).score(); };
    fmt::print("{:<11} {:.4f} -> {:.4f} on {} examples that importance was not measured on\n",
               name_of(material.task.metrics.front()), score(*base), score(*small), material.scored.size());
  }
  console.line("pruned    {}: {}", options.out, describe_model(*small));
  console.line("next      recover it: {} train RECIPE --teacher {} --student {}", program_name(),
               shell_quoted(options.model), shell_quoted(options.out));
  return static_cast<int>(ExitCode::done);
}

}  // namespace dsd
