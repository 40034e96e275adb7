#pragma once
// The tasks that a recipe can name. One task has one canonical name, however it is written: `SST-2`, `sst-2`, `sst2`.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dsd {

// What a label is: one of several classes, a value, or the token that comes next.
enum class TaskKind { classes, values, next_token };

struct TaskName {
  std::string_view name;
  TaskKind kind;
  bool own;  // the data are the user's: the recipe names files, columns and labels
};

// The nine of GLUE, and `classification`, `regression` and `language_model`.
std::span<const TaskName> task_names();

// However it is written (case, '-', '_', spaces); nothing when there is no such task.
std::optional<TaskName> find_task_name(std::string_view name);

// The same for a name that must be there: throws Error(bad_input) with the nearest one.
TaskName require_task_name(std::string_view name);

// "unknown task 'sst3'; did you mean 'sst2'?"
std::string unknown_task(std::string_view name);

}  // namespace dsd
