#include "core/recipe/task_names.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/base/error.h"
#include "core/base/nearest.h"
#include "core/config/node.h"

namespace dsd {
namespace {

constexpr std::array<TaskName, 12> kTasks{{{"cola", TaskKind::classes, false},
                                           {"sst2", TaskKind::classes, false},
                                           {"mrpc", TaskKind::classes, false},
                                           {"stsb", TaskKind::values, false},
                                           {"qqp", TaskKind::classes, false},
                                           {"mnli", TaskKind::classes, false},
                                           {"qnli", TaskKind::classes, false},
                                           {"rte", TaskKind::classes, false},
                                           {"wnli", TaskKind::classes, false},
                                           {"classification", TaskKind::classes, true},
                                           {"regression", TaskKind::values, true},
                                           {"language_model", TaskKind::next_token, true}}};

std::string plain(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (c == '-' || c == '_' || c == ' ') continue;
    letters += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return letters;
}

}  // namespace

std::span<const TaskName> task_names() { return kTasks; }

std::optional<TaskName> find_task_name(std::string_view name) {
  const std::string wanted = plain(name);
  const auto found = std::ranges::find_if(kTasks, [&](const TaskName& task) { return plain(task.name) == wanted; });
  return found == kTasks.end() ? std::nullopt : std::optional(*found);
}

TaskName require_task_name(std::string_view name) {
  if (const auto task = find_task_name(name)) return *task;
  fail_as(ExitCode::bad_input, "{}", unknown_task(name));
}

std::string unknown_task(std::string_view name) {
  std::vector<std::string_view> known;
  for (const auto& task : kTasks) known.push_back(task.name);
  return fmt::format("unknown task '{}'{}", clipped(name), suggestion(plain(name), known));
}

}  // namespace dsd
