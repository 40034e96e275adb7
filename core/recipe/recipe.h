#pragma once
// A recipe: what a run is made of, as typed structs (design section 5). Each struct's `fields` is the one place that
// names a key, its default, its range and its meaning; the reader, the writer, overrides and `recipe explain` are
// visitors over it. A run is one stage, or `stages` one after another: whole recipes that change what stands above
// them.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/recipe/adversary_configs.h"
#include "core/recipe/freeze_group.h"
#include "core/recipe/importance_config.h"
#include "core/recipe/stage_presets.h"
#include "core/recipe/stage_start.h"
#include "core/recipe/text_configs.h"
#include "losses/configs.h"
#include "schedules/configs.h"

namespace dsd {

enum class TextFormat { automatic, tsv, jsonl, text };
template <>
struct EnumNames<TextFormat> {
  static constexpr std::array<std::pair<std::string_view, TextFormat>, 4> names{{{"auto", TextFormat::automatic},
                                                                                 {"tsv", TextFormat::tsv},
                                                                                 {"jsonl", TextFormat::jsonl},
                                                                                 {"text", TextFormat::text}}};
};

struct ColumnsConfig {
  std::string text = "text";
  std::optional<std::string> text_pair;
  std::string label = "label";
  std::optional<std::string> prompt, answer, input;
  static void fields(auto& self, auto& v) {
    v("text", self.text, "column (or JSON key) of the text");
    v("text_pair", self.text_pair, "column of the second text, for a task of pairs; null: single texts");
    v("label", self.label, "column of the label");
    v("prompt", self.prompt, "JSON key of what an answer follows, for a language model; null: plain documents");
    v("answer", self.answer, "JSON key of the answer, which alone a language model then learns to tell");
    v("input", self.input, "JSON key of what the prompt is about; a row may leave it out; null: none");
  }
};

enum class Difficulty { length, teacher_loss, teacher_entropy };
template <>
struct EnumNames<Difficulty> {
  static constexpr std::array<std::pair<std::string_view, Difficulty>, 3> names{
      {{"length", Difficulty::length},
       {"teacher_loss", Difficulty::teacher_loss},
       {"teacher_entropy", Difficulty::teacher_entropy}}};
};

struct CurriculumConfig {
  Difficulty by = Difficulty::length;
  ScheduleConfig competence = schedule_of("0.1 -> 1 root over 40%");
  static void fields(auto& self, auto& v) {
    v("by", self.by,
      "what makes an example hard: its tokens, or the teacher's loss (its entropy where there is no label) or entropy, "
      "for which the teacher reads all training examples before step 1");
    v("competence", self.competence,
      "share of the examples, easiest first, that a step draws from; at 1 the order is the ordinary one",
      Range{.min = 0, .max = 1, .open_min = true});
  }
};

struct DataConfig {
  std::string root;
  std::optional<std::string> train, dev, test;
  std::vector<std::string> unlabelled;
  TextFormat format = TextFormat::automatic;
  ColumnsConfig columns;
  std::vector<std::string> labels;
  std::optional<std::string> separator;
  bool articles = false;
  std::optional<std::string> prompt_template;
  std::int64_t max_length = 128;
  std::optional<std::int64_t> train_rows;
  std::optional<CurriculumConfig> curriculum;
  std::optional<AugmentConfig> augment;
  static void fields(auto& self, auto& v) {
    v("root", self.root, "folder of the data: for GLUE the suite's or the task's", required);
    v("train", self.train, "training file under root; null: the task's own");
    v("dev", self.dev, "file that scores are taken on; null: the task's own");
    v("test", self.test, "file without labels, for predictions; null: the task's own");
    v("unlabelled", self.unlabelled, "files of text without labels, which the teacher labels");
    v("format", self.format, "of the files: auto goes by the ending (.tsv, .jsonl, .txt)");
    v("columns", self.columns, "for your own tasks: which columns hold what");
    v("labels", self.labels, "for 'classification': the labels' names in order; empty: those found, sorted");
    v("separator", self.separator,
      "text that stands between a language model's documents ('<|endoftext|>'); null: a file is one document");
    v("articles", self.articles, "a heading ' = Title = ' between blank lines begins a document, as in WikiText");
    v("prompt_template", self.prompt_template,
      "text before an answer, with {prompt} and {input} in their places; null: each on lines of its own");
    v("max_length", self.max_length,
      "most tokens of an example, special ones included; pairs lose the longer first, a language model's documents "
      "are cut into pieces",
      Range{.min = 3, .max = 1 << 20});
    v("train_rows", self.train_rows, "use only the first so many training rows (or documents); null: all",
      Range{.min = 1});
    v("curriculum", self.curriculum, "easy examples first; null: all from the first step");
    v("augment", self.augment, "changed copies of the training examples; null: none");
  }
};

enum class TrainDtype { fp32, bf16 };
template <>
struct EnumNames<TrainDtype> {
  static constexpr std::array<std::pair<std::string_view, TrainDtype>, 2> names{
      {{"fp32", TrainDtype::fp32}, {"bf16", TrainDtype::bf16}}};
};

// What is remembered of a teacher that scores a vocabulary.
enum class TeacherKeep { hidden, top_k };
template <>
struct EnumNames<TeacherKeep> {
  static constexpr std::array<std::pair<std::string_view, TeacherKeep>, 2> names{
      {{"hidden", TeacherKeep::hidden}, {"top_k", TeacherKeep::top_k}}};
};

struct TeacherConfig {
  std::optional<std::string> path;
  std::vector<std::string> labels;
  bool remember = true;
  TeacherKeep keep = TeacherKeep::hidden;
  TrainDtype keep_dtype = TrainDtype::fp32;
  std::int64_t top_k = 64;
  std::optional<std::string> store;
  std::int64_t budget_mib = 1024;
  std::optional<double> floor;
  static void fields(auto& self, auto& v) {
    v("path", self.path, "model folder, run folder or org/name; null: no teacher, train on labels alone");
    v("labels", self.labels,
      "the labels' names in the order of the teacher's logits, where its config has only LABEL_n");
    v("remember", self.remember, "compute its outputs once for each example and keep them");
    v("keep", self.keep,
      "what is remembered over a vocabulary: the final hidden states, which give every score again, or the k likeliest "
      "tokens of each row with the weight of the rest");
    v("keep_dtype", self.keep_dtype,
      "of the hidden states that are remembered, those that losses on features read included");
    v("top_k", self.top_k, "how many tokens 'keep: top_k' keeps", Range{.min = 1, .max = 1 << 20});
    v("store", self.store,
      "file that remembers a language model's teacher for other runs too; null: in this run's folder");
    v("budget_mib", self.budget_mib, "most memory for what is remembered, in MiB; beyond it the file is read",
      Range{.min = 1});
    v("floor", self.floor,
      "refuse to distil from a teacher that scores worse than this on the dev set; null: no floor");
  }
};

enum class StudentStart { teacher_layers, pruned, random };
template <>
struct EnumNames<StudentStart> {
  static constexpr std::array<std::pair<std::string_view, StudentStart>, 3> names{
      {{"teacher_layers", StudentStart::teacher_layers},
       {"pruned", StudentStart::pruned},
       {"random", StudentStart::random}}};
};

struct StudentConfig {
  std::optional<std::string> path, preset, tokenizer;
  std::optional<std::int64_t> layers, hidden, heads, intermediate, experts;
  StudentStart start = StudentStart::teacher_layers;
  ImportanceConfig importance;
  std::vector<std::int64_t> from_layers;
  std::vector<FreezeGroup> freeze;
  std::optional<double> dropout;
  static void fields(auto& self, auto& v) {
    v("path", self.path, "checkpoint to start from: model folder, run folder or org/name; null: made from the teacher");
    v("preset", self.preset,
      "sizes to start from at random weights, in place of a checkpoint: v3, r1, llama (`recipe list` has all) or a "
      "file");
    v("tokenizer", self.tokenizer, "folder of the tokenizer for a preset; null: the teacher's");
    v("layers", self.layers, "number of layers; null: as the model it starts from", Range{.min = 1});
    v("hidden", self.hidden, "hidden width; null: as the model it starts from", Range{.min = 1});
    v("heads", self.heads, "attention heads; null: as the model it starts from", Range{.min = 1});
    v("intermediate", self.intermediate, "width inside the MLP; null: as the model it starts from", Range{.min = 1});
    v("experts", self.experts, "experts of a layer (v3, r1); null: as the model it starts from", Range{.min = 1});
    v("start", self.start,
      "weights at step 0: copied layers of the teacher (or of path), its most important layers, heads, neurons, "
      "channels and experts, or random ones; a preset has random ones");
    v("importance", self.importance, "how 'start: pruned' tells what is important");
    v("from_layers", self.from_layers,
      "which layers to copy, counted from 0; empty: the lowest ones, or with 'start: pruned' the most important",
      Range{.min = 0});
    v("freeze", self.freeze, "what is not trained, and so keeps its bits; layers are counted from 0");
    v("dropout", self.dropout, "hidden and attention dropout in training; null: as its config says",
      Range{.min = 0, .max = 0.99});
  }
};

struct SchedulesConfig {
  ScheduleConfig learning_rate = schedule_of("1 -> 0 linear, warm-up 10%");
  static void fields(auto& self, auto& v) {
    v("learning_rate", self.learning_rate, "factor on train.learning_rate", Range{.min = 0});
  }
};

enum class DeviceKind { cpu, cuda };
template <>
struct EnumNames<DeviceKind> {
  static constexpr std::array<std::pair<std::string_view, DeviceKind>, 2> names{
      {{"cpu", DeviceKind::cpu}, {"cuda", DeviceKind::cuda}}};
};

struct PlateauConfig {
  std::int64_t evaluations = 3;
  double min_gain = 0;
  static void fields(auto& self, auto& v) {
    v("evaluations", self.evaluations, "end after so many in a row without a gain", Range{.min = 1});
    v("min_gain", self.min_gain, "what the score must gain over the best one to count; 0: anything", Range{.min = 0});
  }
};

struct TrainConfig {
  double epochs = 3.0;
  std::optional<std::int64_t> max_steps;
  std::optional<PlateauConfig> plateau;
  std::int64_t batch = 32;
  std::int64_t tokens = 8192;
  double learning_rate = 5e-5;
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  std::optional<double> clip_norm = 1.0;
  TrainDtype dtype = TrainDtype::fp32;
  DeviceKind device = DeviceKind::cpu;
  std::optional<std::int64_t> save_every;
  std::int64_t bad_steps = 5;
  static void fields(auto& self, auto& v) {
    v("epochs", self.epochs, "passes over the training examples, unlabelled ones included; may be a fraction",
      positive);
    v("max_steps", self.max_steps, "end after so many optimiser steps; null: when the epochs are done",
      Range{.min = 1});
    v("plateau", self.plateau,
      "end earlier, when the score on the dev set gains no more; schedules go by epochs and max_steps all the same; "
      "null: no");
    v("batch", self.batch, "examples in an optimiser step", Range{.min = 1});
    v("tokens", self.tokens, "most tokens in a micro-batch: memory only, gradients do not depend on it",
      Range{.min = 1});
    v("learning_rate", self.learning_rate, "at the schedule's peak", positive);
    v("weight_decay", self.weight_decay, "AdamW's decoupled decay; biases and norms have none", Range{.min = 0});
    v("beta1", self.beta1, "AdamW: decay of the gradient's mean", Range{.min = 0, .max = 0.999999});
    v("beta2", self.beta2, "AdamW: decay of the squared gradient's mean", Range{.min = 0, .max = 0.999999999});
    v("epsilon", self.epsilon, "AdamW: added to the root", positive);
    v("clip_norm", self.clip_norm, "bound of the gradient's global norm; null: none", positive);
    v("dtype", self.dtype, "of the matrix products: bf16 keeps fp32 master weights and accumulates in fp32");
    v("device", self.device, "where to train");
    v("save_every", self.save_every, "steps between checkpoints; null: at each evaluation", Range{.min = 1});
    v("bad_steps", self.bad_steps,
      "end the run after so many steps in a row with a loss or gradient that is not finite", Range{.min = 1});
  }
};

struct EvalConfig {
  std::optional<std::int64_t> every;
  std::int64_t tokens = 8192;
  std::optional<RobustnessConfig> robustness;
  static void fields(auto& self, auto& v) {
    v("every", self.every, "steps between evaluations on the dev set; null: once an epoch", Range{.min = 1});
    v("tokens", self.tokens, "most tokens in a batch of evaluation", Range{.min = 1});
    v("robustness", self.robustness,
      "at the end, score teacher and student under an attack and on misspelt text too; null: on the clean text alone");
  }
};

struct Stage;

struct Recipe {
  std::string task;
  DataConfig data;
  TeacherConfig teacher;
  StudentConfig student;
  LossesConfig losses;
  std::optional<AdversaryConfig> adversary;
  SchedulesConfig schedules;
  TrainConfig train;
  EvalConfig eval;
  std::int64_t seed = 0;
  std::vector<Stage> stages;  // empty: the run is one stage, this recipe
  static void fields(auto& self, auto& v) {
    v("task", self.task,
      "cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, or your own: classification, regression, language_model",
      required);
    block_fields(self, v);
    v("seed", self.seed, "of the order of examples, dropout and random weights; stage n adds n to it, counted from 0",
      Range{.min = 0});
    v("stages", self.stages,
      "parts of the run, one after another, each a student in stages/ of the run's folder: an element changes what it "
      "names of data, teacher, student, losses, adversary, schedules, train and eval, and has the rest from above; of "
      "the second "
      "on "
      "'student' names sizes, and where its weights come from anew; a preset's stages are changed by number ('1: "
      "{train: "
      "{epochs: 2}}')");
  }
  // What each stage may change.
  static void block_fields(auto& self, auto& v) {
    v("data", self.data, "where the examples are", required);
    v("teacher", self.teacher, "the frozen model that the student learns from");
    v("student", self.student, "the model that is trained");
    v("losses", self.losses, "what is minimised");
    v("adversary", self.adversary, "what perturbs the word embeddings while the student learns; null: nothing");
    v("schedules", self.schedules,
      "what changes as training goes, beside the numbers that may be schedules themselves");
    v("train", self.train, "the optimiser and the loop");
    v("eval", self.eval, "scoring while training");
  }
};

struct Stage {
  std::string name = "stage";
  StageStart start;
  Recipe recipe;  // what the stage runs, but for `start`: see stage_recipe in core/recipe/stages.h

  static void own_fields(auto& self, auto& v) {
    v("name", self.name, "of its folder, stages/NUMBER-NAME");
    v("start", self.start,
      "where its student's weights come from; the first stage's default is student, the others' previous; "
      "'teacher.path: previous' makes that student the teacher");
  }
  static void fields(auto& self, auto& v) {
    own_fields(self, v);
    Recipe::block_fields(self.recipe, v);
  }

  // For the documentation: the blocks have their own.
  struct Keys {
    struct Element {
      std::string name = "stage";
      StageStart start;
      static void fields(auto& self, auto& v) { own_fields(self, v); }
    } element;
    StagesPreset instead;
  };
};

// How many examples must stay together, whatever cuts a step: what losses compare and what is mixed; 1: none.
inline std::int64_t pool_size(const Recipe& recipe) {
  const std::int64_t compared = pool_size(recipe.losses, recipe.train.batch);
  const bool mixes = recipe.adversary && std::holds_alternative<MixUpConfig>(*recipe.adversary);
  return mixes ? std::max<std::int64_t>(2, compared) : compared;
}

}  // namespace dsd
