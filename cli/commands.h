#pragma once
// The commands, one file each. main.cpp parses flags into these structs; a command returns an exit code or throws
// Error.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dsd {

// `--set key=value` and the short flags that stand for keys, in the order given.
using Overrides = std::vector<std::string>;

struct TrainOptions {
  std::string recipe;
  Overrides overrides;
  std::string run;  // empty: runs/<recipe>-<task>-<n>
  bool resume = false;
  bool allow_drift = false;
  bool dry_run = false;
  bool baseline = false;
  std::string json;  // empty: none
  int threads = 0;   // 0: all cores
};
int run_train(const TrainOptions& options);

struct EvalOptions {
  std::vector<std::string> models;
  std::string task, data, split = "dev", json, predictions;
  std::vector<std::string> labels;  // the labels' order, for a model that has only LABEL_n
  bool speed = true;
  bool robust = false;                     // also under attack and on misspelt text, as eval.robustness says
  std::optional<std::int64_t> max_length;  // none: 128; of text, as the run was trained, else as the models have room
  std::string dtype = "fp32", device = "cpu";
  Overrides overrides;  // data.* and task keys for a task of one's own
  int threads = 0;
};
int run_eval(const EvalOptions& options);

// `eval`'s flags over the training split, for one model.
int run_coverage(const EvalOptions& options);

struct PredictOptions {
  std::string model;
  std::vector<std::string> texts;  // empty: lines of standard input
  std::string json;
  std::int64_t max_length = 128;
  int threads = 0;
};
int run_predict(const PredictOptions& options);

struct GenerateOptions {
  std::string model;
  std::vector<std::string> texts;  // prompts
  std::string prompts, out;        // a file of prompts, one a line, and the JSONL file of their texts
  std::int64_t new_tokens = 128, top_k = 0;
  double temperature = 0, top_p = 1;
  std::uint64_t seed = 0;
  std::vector<std::string> stops;
  bool ignore_end = false;
  bool timing = false;  // say how long reading and writing took
  std::string dtype = "fp32";
  int threads = 0;
};
int run_generate(const GenerateOptions& options);

struct FeaturesOptions {
  std::string model, file, out;
  std::int64_t max_length = 128;
  int threads = 0;
};
int run_features(const FeaturesOptions& options);

struct ExportOptions {
  std::string model, out, scheme = "fp32";
  std::string sample;  // text file for the read-back check; empty: the run's own dev set
  bool force = false;  // replace OUT
  int threads = 0;
};
int run_export(const ExportOptions& options);

struct PruneOptions {
  std::string model, out;
  std::optional<std::int64_t> layers, hidden, heads, intermediate, experts;
  std::string data, task;  // task empty: a language model's text, or one text a line
  std::int64_t examples = 256;
  std::optional<std::int64_t> max_length;  // none: 128; of a language model 256, or what it has room for
  Overrides overrides;                     // data.* keys for a task of one's own
  std::string json;                        // empty: none
  bool force = false;                      // replace OUT
  int threads = 0;
};
int run_prune(const PruneOptions& options);

struct LossOptions {
  std::string kind, student, teacher, labels, settings;
  double temperature = 1.0;
  bool gradient = false;
};
int run_loss(const LossOptions& options);

struct TokenizeOptions {
  std::string model, file;
  bool null = false;  // texts end at a NUL byte, so that they may hold ends of lines
};
int run_tokenize(const TokenizeOptions& options);

struct InspectOptions {
  std::string path;     // of a checkpoint, a GGUF file, a run, or a preset's name or file
  Overrides overrides;  // a preset's
  std::string json;     // empty: none
  std::string unpack;   // folder to write a GGUF file's Hugging Face files to; empty: none
};
int run_inspect(const InspectOptions& options);

struct RecipeOptions {
  enum class Action { check, show, explain, list } action = Action::check;
  std::vector<std::string> files;
  Overrides overrides;
  std::string key;  // explain: one key and what is below it
};
int run_recipe(const RecipeOptions& options);

struct InitOptions {
  std::string data, out = "recipe.yaml", teacher;
  bool force = false;
};
int run_init(const InitOptions& options);

// One fact a line: our version, LibTorch's, CUDA's and NCCL's, the device asked for.
std::string version_text();

}  // namespace dsd
