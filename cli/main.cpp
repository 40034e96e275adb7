// Parses flags, dispatches to one command, turns what is thrown into one line and an exit code.
#include <malloc.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "cli/commands.h"
#include "core/base/error.h"
#include "core/config/overrides.h"

// MKL takes a slow path on processors that it does not know as Intel's; this hook, which it exports for the purpose,
// opts in to the fast one. It changes nothing on Intel's own.
extern "C" int mkl_serv_intel_cpu_true() { return 1; }

namespace {

using namespace dsd;

// Decaying moments of AdamW would otherwise crawl through denormal numbers. Threads inherit this: set it before any
// starts.
void flush_denormals() { _mm_setcsr(_mm_getcsr() | 0x8040); }

// glibc maps and unmaps each large tensor by default, and page faults then dominate.
void keep_large_blocks() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
}

// OpenMP's threads spin while they wait. On a machine that others use too, unbounded spinning (the default) costs a
// factor of three, and none at all a quarter of the speed on a quiet one: a bound of some ten microseconds is near the
// best of both. libgomp reads it when it is loaded, so the program starts once more with it in place.
void bound_spinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  setenv("GOMP_SPINCOUNT", "20000", 1);
  execv("/proc/self/exe", argv);  // where there is no /proc, the defaults hold
}

struct Command {
  CLI::App* app;
  std::function<int()> run;
  bool computes = false;  // with tensors, on several threads
};

void add_override(CLI::App* app, Overrides* overrides, const std::string& flag, const std::string& key,
                  const std::string& help) {
  app->add_option_function<std::string>(
         flag, [overrides, key](const std::string& value) { overrides->push_back(text_override(key, value)); },
         help + " (short for --set " + key + "=...)")
      ->trigger_on_parse();
}

void add_set(CLI::App* app, Overrides* overrides) {
  app->add_option_function<std::vector<std::string>>(
         "--set",
         [overrides](const std::vector<std::string>& pairs) {
           overrides->insert(overrides->end(), pairs.begin(), pairs.end());
         },
         "Override a key of the recipe: key=value; may be given often")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->trigger_on_parse();
}

void add_threads(CLI::App* app, int* threads) {
  app->add_option("--threads", *threads, "Threads to compute with; 0: one for each core")->check(CLI::Range(0, 4096));
}

Command train_command(CLI::App& root, TrainOptions& options) {
  auto* app = root.add_subcommand("train", "Train a student: distil it from a teacher, or fine-tune on labels alone");
  app->add_option("recipe", options.recipe, "Recipe file, or the name of a shipped one")->required();
  add_set(app, &options.overrides);
  add_override(app, &options.overrides, "--task", "task", "Task");
  add_override(app, &options.overrides, "--data", "data.root", "Folder of the data");
  add_override(app, &options.overrides, "--teacher", "teacher.path", "Teacher");
  add_override(app, &options.overrides, "--student", "student.path", "Checkpoint to start from");
  app->add_option_function<std::string>(
         "--epochs", [&options](const std::string& value) { options.overrides.push_back("train.epochs=" + value); },
         "Passes over the training examples (short for --set train.epochs=...)")
      ->trigger_on_parse();
  app->add_option("--run", options.run, "Folder of the run; default runs/<recipe>-<task>-<n>");
  app->add_flag("--resume", options.resume, "Go on from the newest checkpoint of the run");
  app->add_flag("--allow-drift", options.allow_drift, "Resume with another number of threads; bits will differ");
  app->add_flag("--dry-run", options.dry_run,
                "Print the plan: recipe, models, steps, memory, time; train twenty steps only");
  app->add_flag("--baseline", options.baseline, "Also train the same student on labels alone, and print the gain");
  app->add_option("--json", options.json, "Write the result to this file");
  add_threads(app, &options.threads);
  return {app, [&options] { return run_train(options); }, true};
}

Command eval_command(CLI::App& root, EvalOptions& options) {
  auto* app = root.add_subcommand("eval", "Score models on a task, side by side");
  app->add_option("models", options.models, "Model folders, run folders or org/name")->required();
  app->add_option("--task", options.task, "Task: sst2, mnli ... or classification, regression, perplexity")->required();
  app->add_option("--data", options.data, "Folder of the data; for perplexity, a text or JSONL file")->required();
  app->add_option("--split", options.split, "Split to score: dev, test or train");
  add_set(app, &options.overrides);
  app->add_option("--labels", options.labels, "Labels in the order of the logits, for a model that has only LABEL_n")
      ->delimiter(',');
  app->add_option("--json", options.json, "Write the results to this file");
  app->add_option("--predictions", options.predictions, "Write the predictions to this TSV file");
  app->add_option(
      "--max-length", options.max_length,
      "Most tokens of an example: 128; for perplexity, those of the run, else what the models have room for");
  app->add_option("--dtype", options.dtype, "Of the matrix products")->check(CLI::IsMember({"fp32", "bf16"}));
  app->add_option("--device", options.device, "Where to compute")->check(CLI::IsMember({"cpu", "cuda"}));
  app->add_flag("--robust", options.robust,
                "Also score under an attack and on misspelt text; --set eval.robustness.KEY=... changes how");
  app->add_flag("!--no-speed", options.speed, "Leave out the measurement of speed");
  add_threads(app, &options.threads);
  return {app, [&options] { return run_eval(options); }, true};
}

Command coverage_command(CLI::App& root, EvalOptions& options) {
  auto* app = root.add_subcommand(
      "coverage", "Tell, class by class, what the training data holds of what a teacher knows, and what is rare");
  app->add_option("teacher", options.models, "Model folder, run folder or org/name")->required()->expected(1);
  app->add_option("--task", options.task, "Task: sst2, mnli ... or classification")->required();
  app->add_option("--data", options.data, "Folder of the data")->required();
  options.split = "train";
  app->add_option("--split", options.split, "Split to read: train, dev or test");
  add_set(app, &options.overrides);
  app->add_option("--labels", options.labels, "Labels in the order of the logits, for a model that has only LABEL_n")
      ->delimiter(',');
  app->add_option("--max-length", options.max_length, "Most tokens of an example");
  app->add_option("--json", options.json, "Write what was found to this file");
  add_threads(app, &options.threads);
  return {app, [&options] { return run_coverage(options); }, true};
}

Command predict_command(CLI::App& root, PredictOptions& options) {
  auto* app = root.add_subcommand("predict", "Label lines of text, from arguments or standard input (a pair by a tab)");
  app->add_option("model", options.model, "Model folder, run folder or org/name")->required();
  app->add_option("texts", options.texts, "Texts to label; none: read standard input");
  app->add_option("--json", options.json, "Write the predictions to this file");
  app->add_option("--max-length", options.max_length, "Most tokens of an example");
  add_threads(app, &options.threads);
  return {app, [&options] { return run_predict(options); }, true};
}

Command generate_command(CLI::App& root, GenerateOptions& options) {
  auto* app = root.add_subcommand("generate", "Let a language model go on from prompts");
  app->add_option("model", options.model, "Model folder, run folder or org/name")->required();
  app->add_option("prompts_given", options.texts, "Prompts")->type_name("PROMPT");
  app->add_option("--prompts", options.prompts, "Text file of prompts, one a line");
  app->add_option("--out", options.out, "JSONL file for --prompts; an interrupted run goes on where it ends");
  app->add_option("--new-tokens", options.new_tokens, "Most new tokens for each prompt")->check(CLI::Range(1, 1 << 24));
  app->add_option("--temperature", options.temperature, "0: always the likeliest token")->check(CLI::NonNegativeNumber);
  app->add_option("--top-k", options.top_k, "Draw from the k likeliest; 0: from all")->check(CLI::NonNegativeNumber);
  app->add_option("--top-p", options.top_p, "Draw from the likeliest that make up this share")
      ->check(CLI::Range(1e-9, 1.0));
  app->add_option("--seed", options.seed, "Of the draws");
  app->add_option("--stop", options.stops, "End a text before this string; may be given often")->expected(1);
  app->add_flag("--ignore-end", options.ignore_end, "Go on past the token that ends a text");
  app->add_flag("--timing", options.timing, "Say at the end how many tokens a second were read and written");
  app->add_option("--dtype", options.dtype, "Of the matrix products")->check(CLI::IsMember({"fp32", "bf16"}));
  add_threads(app, &options.threads);
  return {app, [&options] { return run_generate(options); }, true};
}

Command features_command(CLI::App& root, FeaturesOptions& options) {
  auto* app = root.add_subcommand(
      "features", "Write hidden states and logits for the lines of a file, to compare with other tools");
  app->add_option("model", options.model, "Model folder, run folder or org/name")->required();
  app->add_option("file", options.file, "Text file, one example a line")->required();
  app->add_option("--out", options.out, "Safetensors file to write")->required();
  app->add_option("--max-length", options.max_length, "Most tokens of an example");
  add_threads(app, &options.threads);
  return {app, [&options] { return run_features(options); }, true};
}

Command export_command(CLI::App& root, ExportOptions& options) {
  auto* app = root.add_subcommand("export", "Write a checkpoint that transformers loads, read it back and compare it");
  app->add_option("model", options.model, "Model folder, run folder or org/name")->required();
  app->add_option("out", options.out, "Folder to write")->required();
  app->add_option("--scheme", options.scheme, "Format of the weights")->check(CLI::IsMember({"fp32", "bf16", "fp16"}));
  app->add_option("--sample", options.sample,
                  "Text file for the comparison; default: the dev set that the run was scored on");
  app->add_flag("--force", options.force, "Replace OUT if it is there");
  add_threads(app, &options.threads);
  return {app, [&options] { return run_export(options); }, true};
}

Command prune_command(CLI::App& root, PruneOptions& options) {
  auto* app = root.add_subcommand(
      "prune", "Cut a model down to its most important layers, heads, neurons, channels and experts");
  app->add_option("model", options.model, "Model folder, run folder or org/name")->required();
  app->add_option("out", options.out, "Folder to write")->required();
  app->add_option("--layers", options.layers, "Layers to keep");
  app->add_option("--hidden", options.hidden, "Hidden width to keep");
  app->add_option("--heads", options.heads, "Attention heads of a layer to keep");
  app->add_option("--intermediate", options.intermediate, "Width inside the MLP (of an expert) to keep");
  app->add_option("--experts", options.experts, "Experts of a layer to keep");
  app->add_option("--data", options.data,
                  "What importance is measured on: a text file, or the folder of the task's data")
      ->required();
  app->add_option("--task", options.task,
                  "Task of the data, on whose dev set the model is scored before and after; none: a language model's "
                  "text, or one text a line");
  app->add_option("--examples", options.examples, "Examples to measure on, evenly spread")
      ->check(CLI::Range(1, 1 << 20));
  app->add_option("--max-length", options.max_length,
                  "Most tokens of an example: 128; of a language model 256, or what it has room for");
  add_set(app, &options.overrides);
  app->add_option("--json", options.json, "Write all scores and what is kept to this file");
  app->add_flag("--force", options.force, "Replace OUT if it is there");
  add_threads(app, &options.threads);
  return {app, [&options] { return run_prune(options); }, true};
}

Command loss_command(CLI::App& root, LossOptions& options) {
  auto* app = root.add_subcommand("loss", "Print a loss in float64, so that anyone can check its formula");
  app->add_option("kind", options.kind, "A kind of losses.soft or losses.hard, as `recipe explain losses` lists them")
      ->required();
  app->add_option("--student", options.student, "Student's logits: '[..]' or '[[..], ..]'")->required();
  app->add_option("--teacher", options.teacher, "Teacher's logits, of the same shape");
  app->add_option("--labels", options.labels,
                  "Class indices or values: '[..]'; -1 is none. Beside --teacher where the loss reads both");
  app->add_option("--temperature", options.temperature, "Temperature")->check(CLI::PositiveNumber);
  app->add_option("--set", options.settings, "The loss's settings: 't_squared: false'");
  app->add_flag("--gradient", options.gradient, "Also print the gradient of the student's logits");
  return {app, [&options] { return run_loss(options); }};
}

Command tokenize_command(CLI::App& root, TokenizeOptions& options) {
  auto* app = root.add_subcommand("tokenize", "Print the token ids of each line of a file");
  app->add_option("model", options.model, "Model, or a tokenizer.json")->required();
  app->add_option("file", options.file, "Text file; a line ends at \\n alone")->required();
  app->add_flag("--null", options.null, "Texts end at a NUL byte instead, and may hold ends of lines");
  return {app, [&options] { return run_tokenize(options); }};
}

Command inspect_command(CLI::App& root, InspectOptions& options) {
  auto* app =
      root.add_subcommand("inspect", "List what a checkpoint holds (tensors, types, sizes, a checksum), or a preset");
  app->add_option("path", options.path,
                  "Model folder, run folder, org/name, safetensors file, GGUF file, or a preset of recipes/teachers/")
      ->required();
  add_set(app, &options.overrides);
  app->add_option("--json", options.json, "Write the listing to this file");
  app->add_option("--unpack", options.unpack,
                  "Write a GGUF file's config, tokenizer and weights (fp32) in Hugging Face layout to this folder");
  return {app, [&options] { return run_inspect(options); }};
}

Command init_command(CLI::App& root, InitOptions& options) {
  auto* app =
      root.add_subcommand("init", "Write a recipe for your own data, with the columns, labels and lengths found");
  app->add_option("data", options.data, "TSV or JSONL file of training examples")->required();
  app->add_option("--out", options.out, "Recipe to write");
  app->add_option("--teacher", options.teacher, "Teacher, or the checkpoint to make one from");
  app->add_flag("--force", options.force, "Replace the recipe if it is there");
  return {app, [&options] { return run_init(options); }};
}

std::vector<Command> recipe_commands(CLI::App& root, RecipeOptions& options) {
  auto* app = root.add_subcommand("recipe", "Check, show, explain or list recipes");
  app->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, RecipeOptions::Action action) {
    auto* sub = app->add_subcommand(name, help);
    return Command{sub, [&options, action] {
                     options.action = action;
                     return run_recipe(options);
                   }};
  };
  std::vector<Command> commands{
      add("check", "Find all faults of recipes", RecipeOptions::Action::check),
      add("show", "Print the effective recipe", RecipeOptions::Action::show),
      add("explain", "Print every key, its default and its meaning", RecipeOptions::Action::explain),
      add("list", "List the recipes that come along", RecipeOptions::Action::list)};
  for (auto& command : {commands[0], commands[1]}) {
    command.app->add_option("files", options.files, "Recipe files or names of shipped ones")->required();
    add_set(command.app, &options.overrides);
  }
  commands[2].app->add_option("key", options.key, "Only this key and what is below it");
  return commands;
}

int dispatch(int argc, char** argv) {
  CLI::App app("dsdistill: turns a large teacher into a small, fast student", "dsdistill");
  app.require_subcommand(0, 1);
  app.option_defaults()->always_capture_default();
  bool version = false;
  app.add_flag("--version", version, "Print our version and those of LibTorch, CUDA and NCCL");

  TrainOptions train;
  EvalOptions eval, coverage;
  PredictOptions predict;
  FeaturesOptions features;
  GenerateOptions generate;
  ExportOptions exporting;
  PruneOptions prune;
  LossOptions loss;
  TokenizeOptions tokenize;
  InspectOptions inspect;
  InitOptions init;
  RecipeOptions recipe;
  std::vector<Command> commands{
      train_command(app, train),       eval_command(app, eval),         predict_command(app, predict),
      export_command(app, exporting),  features_command(app, features), tokenize_command(app, tokenize),
      generate_command(app, generate), loss_command(app, loss),         prune_command(app, prune),
      inspect_command(app, inspect),   init_command(app, init),         coverage_command(app, coverage)};
  for (auto& command : recipe_commands(app, recipe)) commands.push_back(command);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool wanted_help = error.get_exit_code() == 0;
    app.exit(error);
    return static_cast<int>(wanted_help ? ExitCode::done : ExitCode::bad_input);
  }
  if (version) {
    fmt::print("{}", version_text());
    return 0;
  }
  for (const auto& command : commands) {
    if (!command.app->parsed()) continue;
    if (command.computes) bound_spinning(argv);
    return command.run();
  }
  fmt::print("{}", app.help());
  return static_cast<int>(ExitCode::bad_input);
}

int report(ExitCode code, std::string_view text) {
  std::fflush(stdout);
  fmt::print(stderr, "{}{}\n", text.find(": error: ") == std::string_view::npos ? "error: " : "", text);
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  flush_denormals();
  keep_large_blocks();
  try {
    return dispatch(argc, argv);
  } catch (const Error& error) {
    return report(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return report(ExitCode::failed, "out of memory; lower train.tokens or eval.tokens, or take a smaller model");
  } catch (const std::exception& error) {  // LibTorch's own: the first line says it, the backtrace does not help a user
    const std::string_view text = error.what();
    return report(ExitCode::failed, text.substr(0, text.find('\n')));
  }
}
