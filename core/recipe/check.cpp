#include "core/recipe/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/recipe/check_adversary.h"
#include "core/recipe/check_features.h"
#include "core/recipe/check_losses.h"
#include "core/recipe/check_stages.h"
#include "core/recipe/faults.h"
#include "core/recipe/task_names.h"
#include "schedules/schedule.h"

namespace dsd {
namespace {

// Whether a temperature is the same for every row at every step.
bool is_fixed(const std::optional<TemperatureConfig>& temperature) {
  if (!temperature) return true;
  const auto* scheduled = std::get_if<ScheduledTemperature>(&*temperature);
  return scheduled != nullptr && is_fixed(scheduled->value);
}

void check_labels(const std::vector<std::string>& labels, const std::string& path, Faults& faults) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (!seen.insert(labels[i]).second)
      add(faults, fmt::format("{}[{}]", path, i), "label '{}' is named twice", labels[i]);
  if (labels.size() == 1) add(faults, path, "one label is no choice: name two or more in '{}'", path);
}

void check_own_data(const Recipe& recipe, const TaskName& task, Faults& faults) {
  const auto& data = recipe.data;
  if (!data.train) add(faults, "data", "task '{}' needs 'data.train', the training file under data.root", task.name);
  if (!data.dev) add(faults, "data", "task '{}' needs 'data.dev', the file that scores are taken on", task.name);
  const auto& columns = data.columns;
  if (columns.text == columns.label)
    add(faults, "data.columns.label", "'data.columns.label' and 'data.columns.text' are both column '{}'",
        columns.text);
  if (columns.text_pair && (*columns.text_pair == columns.text || *columns.text_pair == columns.label))
    add(faults, "data.columns.text_pair", "'data.columns.text_pair' is column '{}', which is in use already",
        *columns.text_pair);
}

void check_glue_data(const Recipe& recipe, const TaskName& task, Faults& faults) {
  const auto& columns = recipe.data.columns;
  const ColumnsConfig silent;
  if (columns.text != silent.text || columns.text_pair != silent.text_pair || columns.label != silent.label)
    add(faults, "data.columns", "task '{}' has its own columns; 'data.columns' is for your own tasks", task.name);
  if (!recipe.data.labels.empty())
    add(faults, "data.labels", "task '{}' has its own labels; 'data.labels' is for 'classification'", task.name);
}

// The keys of a language model's data, and what they mean to each other.
void check_documents(const DataConfig& data, const TaskName& task, Faults& faults) {
  const auto& columns = data.columns;
  const ColumnsConfig silent;
  if (columns.label != silent.label || columns.text_pair)
    add(faults, "data.columns",
        "task '{}' has neither labels nor pairs; give 'columns.text', or a prompt and an answer", task.name);
  if (!data.unlabelled.empty())
    add(faults, "data.unlabelled", "task '{}' learns from all text; name one file in 'data.train'", task.name);
  if (data.format == TextFormat::tsv)
    add(faults, "data.format", "task '{}' reads text and JSONL, not TSV: a text may hold tabs and line breaks",
        task.name);
  if (data.separator && data.articles)
    add(faults, "data.articles", "'data.articles' and 'data.separator' both tell where a document ends; keep one");
  if (columns.prompt.has_value() != columns.answer.has_value())
    add(faults, "data.columns", "'data.columns.prompt' and 'data.columns.answer' go together; give both or neither");
  if (columns.input && !columns.prompt)
    add(faults, "data.columns.input", "'data.columns.input' stands beside a prompt; give 'data.columns.prompt' too");
  if (!data.prompt_template) return;
  const bool shows_input = data.prompt_template->find("{input}") != std::string::npos;
  if (!columns.prompt)
    add(faults, "data.prompt_template", "'data.prompt_template' is for prompts; give 'data.columns.prompt' too");
  else if (data.prompt_template->find("{prompt}") == std::string::npos)
    add(faults, "data.prompt_template", "'data.prompt_template' has no place for the prompt; write {{prompt}} there");
  else if (shows_input != columns.input.has_value())
    add(faults, "data.prompt_template", "'data.prompt_template' {} and 'data.columns.input' {}; give both or neither",
        shows_input ? "has {input}" : "lacks {input}", shows_input ? "is missing" : "is given");
}

// The same keys where there are no documents.
void check_no_documents(const Recipe& recipe, const TaskName& task, Faults& faults) {
  const auto& data = recipe.data;
  const auto refuse = [&](bool given, const char* key) {
    if (given) add(faults, key, "task '{}' has no documents; '{}' is for 'language_model'", task.name, key);
  };
  refuse(data.separator.has_value(), "data.separator");
  refuse(data.articles, "data.articles");
  refuse(data.prompt_template.has_value(), "data.prompt_template");
  refuse(data.columns.prompt.has_value(), "data.columns.prompt");
  refuse(data.columns.answer.has_value(), "data.columns.answer");
  refuse(data.columns.input.has_value(), "data.columns.input");
}

// What is remembered of a teacher, and where.
void check_memory(const Recipe& recipe, const TaskName& task, Faults& faults) {
  const auto& teacher = recipe.teacher;
  const TeacherConfig silent;
  if (task.kind != TaskKind::next_token) {
    const auto refuse = [&](bool given, const char* key) {
      if (given)
        add(faults, key, "task '{}' has few scores, which are remembered as they are; '{}' is for 'language_model'",
            task.name, key);
    };
    refuse(teacher.keep != silent.keep, "teacher.keep");
    refuse(teacher.keep_dtype != silent.keep_dtype && !has_features(recipe.losses), "teacher.keep_dtype");
    refuse(teacher.top_k != silent.top_k, "teacher.top_k");
    refuse(teacher.store.has_value(), "teacher.store");
    return;
  }
  if (teacher.store && !teacher.remember)
    add(faults, "teacher.store",
        "'teacher.store' names a file to remember the teacher in, but 'teacher.remember' is "
        "false");
  if (teacher.keep == TeacherKeep::top_k && !is_fixed(recipe.losses.temperature))
    add(faults, "teacher.keep",
        "'keep: top_k' remembers the likeliest tokens at one temperature, and 'losses.temperature' changes; keep "
        "hidden "
        "states, or fix it");
}

void check_data(const Recipe& recipe, const TaskName& task, Faults& faults) {
  if (task.own) check_own_data(recipe, task, faults);
  else check_glue_data(recipe, task, faults);
  if (task.kind == TaskKind::next_token) check_documents(recipe.data, task, faults);
  else check_no_documents(recipe, task, faults);
  if (task.kind == TaskKind::next_token && !recipe.data.labels.empty())
    add(faults, "data.labels", "task '{}' has tokens, not labels; 'data.labels' is for 'classification'", task.name);
  if (task.kind == TaskKind::next_token && !recipe.teacher.labels.empty())
    add(faults, "teacher.labels", "task '{}' has tokens, not labels; remove 'teacher.labels'", task.name);
  const bool values = task.kind == TaskKind::values;
  if (task.own && values && !recipe.data.labels.empty())
    add(faults, "data.labels", "task '{}' has numbers, not labels; 'data.labels' is for 'classification'", task.name);
  if (values && recipe.teacher.path && !recipe.teacher.labels.empty())
    add(faults, "teacher.labels", "task '{}' has numbers, not labels; remove 'teacher.labels'", task.name);
  check_labels(recipe.data.labels, "data.labels", faults);
  check_labels(recipe.teacher.labels, "teacher.labels", faults);
  const auto& data_labels = recipe.data.labels;
  const auto& teacher_labels = recipe.teacher.labels;
  if (!data_labels.empty() && !teacher_labels.empty() &&
      std::set(data_labels.begin(), data_labels.end()) != std::set(teacher_labels.begin(), teacher_labels.end()))
    add(faults, "teacher.labels",
        "'teacher.labels' and 'data.labels' name different labels; only their order may differ");
  if (!recipe.data.unlabelled.empty() && task.kind != TaskKind::next_token && !recipe.teacher.path &&
      recipe.student.path)
    add(faults, "data.unlabelled", "'data.unlabelled' needs a teacher to label it; give 'teacher.path' or remove it");
}

void check_preset(const Recipe& recipe, Faults& faults) {
  const auto& student = recipe.student;
  if (!student.preset) {
    if (student.tokenizer)
      add(faults, "student.tokenizer", "'student.tokenizer' is for 'student.preset'; a checkpoint has its own");
    return;
  }
  if (student.path) add(faults, "student.preset", "'student.preset' and 'student.path' are both given; keep one");
  if (!student.from_layers.empty())
    add(faults, "student.from_layers",
        "'student.preset' has no weights, so no layers are copied; remove one of the two");
  if (student.start == StudentStart::pruned)
    add(faults, "student.start", "'student.preset' has no weights to prune; name a checkpoint in 'student.path'");
  if (!student.tokenizer && !recipe.teacher.path)
    add(faults, "student.preset", "'student.preset' needs 'student.tokenizer', the folder of a tokenizer");
}

void check_curriculum(const Recipe& recipe, const TaskName& task, Faults& faults) {
  const auto& curriculum = recipe.data.curriculum;
  if (!curriculum || curriculum->by == Difficulty::length) return;
  if (!recipe.teacher.path || (is_zero(recipe.losses.soft_weight) && !has_features(recipe.losses)))
    add(faults, "data.curriculum", "a curriculum by the teacher needs one that is learned from; use 'by: length'");
  else if (task.kind == TaskKind::values && curriculum->by == Difficulty::teacher_entropy)
    add(faults, "data.curriculum", "task '{}' has numbers, which have no entropy; use 'by: teacher_loss'", task.name);
  else if (recipe.teacher.keep == TeacherKeep::top_k)
    add(faults, "data.curriculum",
        "a curriculum by the teacher needs its whole scores, and 'teacher.keep' is top_k; use 'by: length'");
}

void check_pruning(const StudentConfig& student, Faults& faults) {
  if (student.start != StudentStart::pruned) {
    if (student.importance != ImportanceConfig{})
      add(faults, "student.importance", "'student.importance' is measured for 'student.start: pruned' alone");
    return;
  }
  if (!student.layers && student.from_layers.empty() && !student.hidden && !student.heads && !student.intermediate &&
      !student.experts)
    add(faults, "student.start",
        "'student.start' is pruned, but nothing is to shrink; give 'student.layers', 'hidden', 'heads', "
        "'intermediate' or 'experts'");
}

void check_student(const Recipe& recipe, Faults& faults) {
  const auto& student = recipe.student;
  check_preset(recipe, faults);
  check_pruning(student, faults);
  if (!recipe.teacher.path && !student.path && !student.preset && !student.tokenizer)
    add(faults, "student.path",
        "'student.path' and 'teacher.path' are both missing: name the checkpoint that the student starts from");
  const auto count = static_cast<std::int64_t>(student.from_layers.size());
  if (count > 0 && student.start == StudentStart::random)
    add(faults, "student.from_layers", "'student.from_layers' copies layers, but 'student.start' is random");
  else if (count > 0 && student.layers && *student.layers != count)
    add(faults, "student.from_layers", "'student.from_layers' names {} layers, but 'student.layers' is {}", count,
        *student.layers);
  // Heads that are pruned keep the width that they had.
  const bool shares_out = student.start != StudentStart::pruned;
  if (shares_out && student.hidden && student.heads && *student.hidden % *student.heads != 0)
    add(faults, "student.heads", "'student.hidden' {} cannot be divided by 'student.heads' {}", *student.hidden,
        *student.heads);
}

void check_schedules(const Recipe& recipe, Faults& faults) {
  if (is_zero(recipe.schedules.learning_rate))
    add(faults, "schedules.learning_rate", "'schedules.learning_rate' is 0 throughout: nothing would be learnt");
}

void check_sizes(const Recipe& recipe, Faults& faults) {
  const auto length = recipe.data.max_length;
  if (recipe.train.tokens < length)
    add(faults, "train.tokens", "'train.tokens' is {}, too few for one example of 'data.max_length' {}",
        recipe.train.tokens, length);
  if (recipe.eval.tokens < length)
    add(faults, "eval.tokens", "'eval.tokens' is {}, too few for one example of 'data.max_length' {}",
        recipe.eval.tokens, length);
}

}  // namespace

bool is_article_name(std::string_view name) { return name == "v3" || name == "V3" || name == "r1" || name == "R1"; }

std::vector<RuleFault> check(const Recipe& recipe) {
  const auto task = find_task_name(recipe.task);
  if (!task) return {{"task", unknown_task(recipe.task)}};
  if (!recipe.stages.empty()) return check_stages(recipe);
  Faults faults;
  check_data(recipe, *task, faults);
  check_memory(recipe, *task, faults);
  check_curriculum(recipe, *task, faults);
  check_student(recipe, faults);
  check_losses(recipe, *task, faults);
  check_text_changes(recipe, *task, faults);
  check_features(recipe, faults);
  check_schedules(recipe, faults);
  check_sizes(recipe, faults);
  return faults;
}

}  // namespace dsd
