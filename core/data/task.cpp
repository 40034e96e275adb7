#include "core/data/task.h"

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "core/data/glue.h"
#include "core/data/rows.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostLabels = 65536;

std::string lower(std::string_view text) {
  std::string letters(text);
  for (char& c : letters)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return letters;
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

void require_root(const DataConfig& data) {
  std::error_code error;
  if (fs::is_directory(data.root, error)) return;
  fail("{}: {}; set data.root (--data) to the folder of the data", data.root,
       is_there(data.root) ? "is no folder" : "no such folder");
}

// The task's folder inside the suite's, however its name is written on this disk; the root itself when there is none.
fs::path folder_of(const GlueTask& glue, const DataConfig& data) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(data.root)) {
    const auto task = find_task_name(entry.path().filename().string());
    if (task && task->name == glue.name && entry.is_directory()) found.push_back(entry.path());
  }
  return found.empty() ? fs::path(data.root) : *std::ranges::min_element(found);
}

SplitFile require_file(const fs::path& path, const Task& task, Split split, const std::string& part) {
  if (is_there(path))
    return {.path = path, .part = part, .labelled = split == Split::train || split == Split::dev, .split = split};
  const GlueTask* glue = find_glue(task.name);
  const std::string purpose = fmt::format("task '{}' needs it for its {} split", task.name, name_of(split));
  if (glue == nullptr) fail("{}: is missing; {}", path.string(), purpose);
  const auto folder = find_task_name(fs::absolute(path).parent_path().filename().string());
  fail("{}: is missing{}; {}; scripts/get_glue.sh DIR fetches GLUE, or set data.{}", path.string(),
       folder && folder->name == glue->name ? "" : fmt::format(", and so is a folder {} beside it", glue->folder),
       purpose, name_of(split));
}

// A file that the recipe names lies in the task's folder or in the root.
fs::path named_file(const fs::path& folder, const DataConfig& data, const std::string& name) {
  return is_there(folder / name) ? folder / name : fs::path(data.root) / name;
}

const std::optional<std::string>& name_in(const DataConfig& data, Split split) {
  return split == Split::train ? data.train : split == Split::dev ? data.dev : data.test;
}

std::vector<SplitFile> glue_files(const GlueTask& glue, const Task& task, const DataConfig& data, Split split) {
  const fs::path folder = folder_of(glue, data);
  if (const auto& name = name_in(data, split)) return {require_file(named_file(folder, data, *name), task, split, "")};
  const std::string stem(name_of(split));
  if (!glue.two_parts || split == Split::train) return {require_file(folder / (stem + ".tsv"), task, split, "")};
  std::vector<SplitFile> files;
  for (const std::string part : {"matched", "mismatched"})
    files.push_back(require_file(folder / fmt::format("{}_{}.tsv", stem, part), task, split, part));
  return files;
}

std::vector<SplitFile> own_files(const Task& task, const DataConfig& data, Split split) {
  const auto& name = name_in(data, split);
  if (!name) fail("task '{}' has no {} file; set data.{}", task.name, name_of(split), name_of(split));
  SplitFile file = require_file(fs::path(data.root) / *name, task, split, "");
  if (split == Split::test && task.kind != TaskKind::next_token)
    file.labelled = has_column(file.path, data.format, data.columns.label);
  return {file};
}

std::vector<std::string> labels_in(const Task& task, const DataConfig& data) {
  std::set<std::string, std::less<>> labels;
  const auto file = split_files(task, data, Split::train).front();
  const auto rows = open_rows(task, data, file);
  Row row;
  while (rows->next(row)) {
    if (labels.contains(*row.label)) continue;
    if (row.label->empty())
      fail("{}: the label is empty; rows without labels belong in a file of data.unlabelled", rows->place());
    labels.emplace(*row.label);
    if (labels.size() > kMostLabels)
      fail("{}: column '{}' holds more than {} labels; is it the label's? Set data.columns.label", file.path.string(),
           data.columns.label, kMostLabels);
  }
  if (labels.size() < 2)
    fail("{}: column '{}' holds one label only, '{}'; there is nothing to tell apart", file.path.string(),
         data.columns.label, *labels.begin());
  return {labels.begin(), labels.end()};
}

Task glue_task(const GlueTask& glue, TaskKind kind) {
  Task task{.name = std::string(glue.name),
            .kind = kind,
            .pair = !glue.text_pair.empty(),
            .labels = {},
            .metrics = glue.metrics,
            .positive = std::string(glue.positive),
            .label_names = {}};
  for (const auto& label : glue.labels) {
    task.labels.emplace_back(label.written);
    task.label_names.emplace_back(label.name);
  }
  return task;
}

Task own_task(const TaskName& name, const DataConfig& data) {
  if (name.kind == TaskKind::next_token)
    return {.name = std::string(name.name),
            .kind = name.kind,
            .pair = false,
            .labels = {},
            .metrics = {Metric::perplexity, Metric::negative_log_likelihood, Metric::bits_per_byte},
            .positive = "",
            .label_names = {}};
  const bool values = name.kind == TaskKind::values;
  Task task{.name = std::string(name.name),
            .kind = name.kind,
            .pair = data.columns.text_pair.has_value(),
            .labels = {},
            .metrics = values ? std::vector{Metric::pearson, Metric::spearman} : std::vector{Metric::accuracy},
            .positive = "",
            .label_names = {}};
  if (!values) task.labels = data.labels.empty() ? labels_in(task, data) : data.labels;
  task.label_names = task.labels;
  return task;
}

}  // namespace

std::string_view name_of(Metric metric) {
  switch (metric) {
    case Metric::accuracy:
      return "accuracy";
    case Metric::f1:
      return "f1";
    case Metric::matthews:
      return "matthews";
    case Metric::pearson:
      return "pearson";
    case Metric::spearman:
      return "spearman";
    case Metric::perplexity:
      return "perplexity";
    case Metric::negative_log_likelihood:
      return "negative_log_likelihood";
    case Metric::bits_per_byte:
      return "bits_per_byte";
  }
  fail("a metric without a name");
}

bool lower_is_better(Metric metric) {
  return metric == Metric::perplexity || metric == Metric::negative_log_likelihood || metric == Metric::bits_per_byte;
}

std::string_view name_of(Split split) {
  switch (split) {
    case Split::train:
      return "train";
    case Split::dev:
      return "dev";
    case Split::test:
      return "test";
    case Split::unlabelled:
      return "unlabelled";
  }
  fail("a split without a name");
}

std::optional<std::int32_t> Task::class_of(std::string_view label) const {
  for (const auto* names : {&labels, &label_names})
    if (const auto found = std::ranges::find(*names, label); found != names->end())
      return static_cast<std::int32_t>(found - names->begin());
  const std::string wanted = lower(label);
  for (const auto* names : {&labels, &label_names}) {
    const auto same = [&](const std::string& known) { return lower(known) == wanted; };
    if (std::ranges::count_if(*names, same) == 1)
      return static_cast<std::int32_t>(std::ranges::find_if(*names, same) - names->begin());
  }
  return std::nullopt;
}

Task find_task(const std::string& name, const DataConfig& data) {
  const TaskName known = require_task_name(name);
  require_root(data);
  if (const GlueTask* glue = find_glue(known.name)) return glue_task(*glue, known.kind);
  return own_task(known, data);
}

std::vector<SplitFile> split_files(const Task& task, const DataConfig& data, Split split) {
  require_root(data);
  const GlueTask* glue = find_glue(task.name);
  if (split != Split::unlabelled)
    return glue != nullptr ? glue_files(*glue, task, data, split) : own_files(task, data, split);
  std::vector<SplitFile> files;
  const fs::path folder = glue != nullptr ? folder_of(*glue, data) : fs::path(data.root);
  for (const auto& name : data.unlabelled)
    files.push_back(require_file(named_file(folder, data, name), task, split, ""));
  return files;
}

}  // namespace dsd
