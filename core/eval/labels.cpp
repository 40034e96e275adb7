#include "core/eval/labels.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "core/base/error.h"
#include "core/eval/evaluator.h"

namespace dsd {
namespace {

constexpr std::size_t kMostTried = 4;   // classes whose orders are all scored: 24 of them
constexpr std::size_t kMostOrders = 6;  // shown, the best first
constexpr std::size_t kMostNames = 12;  // labels named in a message

std::string in_brief(std::span<const std::string> names) {
  const auto shown = names.first(std::min(names.size(), kMostNames));
  return fmt::format("{}{}", fmt::join(shown, ", "), shown.size() < names.size() ? ", ..." : "");
}

std::string line_to_paste(const LabelRequest& request, const std::vector<std::string>& names) {
  if (request.in_recipe) return fmt::format("teacher.labels: [{}]", fmt::join(names, ", "));
  return fmt::format("--labels {}", fmt::join(names, ","));
}

// columns from names in the order of the logits.
std::vector<std::int32_t> columns_of(const Task& task, const std::vector<std::string>& names,
                                     const LabelRequest& request) {
  std::vector<std::int32_t> columns(task.labels.size(), -1);
  bool same = names.size() == task.labels.size();
  for (std::size_t i = 0; same && i < names.size(); ++i) {
    const auto found = task.class_of(names[i]);
    same = found && columns[static_cast<std::size_t>(*found)] < 0;
    if (same) columns[static_cast<std::size_t>(*found)] = static_cast<std::int32_t>(i);
  }
  if (same) return columns;
  const std::string faulty = fmt::format("{}: {} labels ({}: {}) are not those of task '{}' ({}: {})", request.model,
                                         request.stated.empty() ? "its" : "the given", names.size(), in_brief(names),
                                         task.name, task.label_names.size(), in_brief(task.label_names));
  const std::string line = line_to_paste(request, task.label_names);
  if (!request.stated.empty()) fail_as(ExitCode::bad_input, "{}; expected each once: {}", faulty, line);
  if (names.size() != task.labels.size())
    fail_as(ExitCode::bad_input, "{}; take a model that was trained on them", faulty);
  fail_as(ExitCode::bad_input, "{}; if only their names differ, say: {}", faulty, line);
}

struct Order {
  std::vector<std::string> names;
  double score = 0;
};

// All orders of the task's labels with their scores, the best first.
std::vector<Order> scored_orders(const Task& task, const ScoreOrder& score) {
  std::vector<std::int32_t> classes(task.labels.size());  // classes[i] is the class of logit i
  std::iota(classes.begin(), classes.end(), 0);
  std::vector<Order> orders;
  do {
    Order order;
    std::vector<std::int32_t> columns(classes.size());
    for (std::size_t i = 0; i < classes.size(); ++i) {
      columns[static_cast<std::size_t>(classes[i])] = static_cast<std::int32_t>(i);
      order.names.push_back(task.label_names[static_cast<std::size_t>(classes[i])]);
    }
    order.score = score(columns);
    orders.push_back(std::move(order));
  } while (std::ranges::next_permutation(classes).found);
  std::ranges::stable_sort(orders, std::greater<>(), &Order::score);
  return orders;
}

[[noreturn]] void refuse_placeholders(const Task& task, const HeadInfo& head, const LabelRequest& request) {
  const std::string opening = fmt::format("{}: its labels are only called {}, which does not tell their order",
                                          request.model, in_brief(head.labels));
  if (!request.score || task.labels.size() > kMostTried)
    fail_as(ExitCode::bad_input, "{}; write them in the order of its logits: {}", opening,
            line_to_paste(request, task.label_names));
  auto orders = scored_orders(task, request.score);
  const std::string paste = line_to_paste(request, orders.front().names);
  if (orders.size() > kMostOrders) orders.resize(kMostOrders);
  std::string scores;
  for (const auto& [names, score] : orders)
    scores += fmt::format("\n  {}: {} {:.4f}", fmt::join(names, ", "), name_of(task.metrics.front()), score);
  fail_as(ExitCode::bad_input, "{}. Scores of each order on the labelled rows:{}\nif the best is right, say: {}",
          opening, scores, paste);
}

}  // namespace

std::vector<std::int32_t> match_labels(const Task& task, const HeadInfo& head, const LabelRequest& request) {
  const auto outputs = head.labels.size();
  if (outputs == 0)
    fail_as(ExitCode::bad_input, "{}: has no head for classes or values; fine-tune it on task '{}' first",
            request.model, task.name);
  const bool is_regression = head.problem_type == ProblemType::regression;
  if (task.kind == TaskKind::values) {
    if (outputs != 1)
      fail_as(ExitCode::bad_input, "{}: has {} outputs, but task '{}' asks for one number; take a model of that task",
              request.model, outputs, task.name);
    return {};
  }
  if (is_regression)
    fail_as(ExitCode::bad_input,
            "{}: gives a number, but task '{}' asks for one of {} labels; take a model of that task", request.model,
            task.name, task.labels.size());
  if (!request.stated.empty()) {
    if (request.stated.size() == outputs) return columns_of(task, request.stated, request);
    fail_as(ExitCode::bad_input, "{}: {} labels are given, but it has {} outputs", request.model, request.stated.size(),
            outputs);
  }
  if (has_placeholder_labels(head) && outputs == task.labels.size()) refuse_placeholders(task, head, request);
  return columns_of(task, head.labels, request);
}

ScoreOrder order_scorer(Model& model, const Dataset& data, const Task& task, std::int64_t tokens) {
  const auto logit = std::make_shared<std::vector<std::int32_t>>();  // the largest of each row
  return [&model, &data, &task, tokens, logit](std::span<const std::int32_t> columns) {
    if (logit->empty()) *logit = evaluate(model, data, task, {.columns = {}, .tokens = tokens}).predictions;
    std::vector<std::int32_t> class_of(columns.size());
    for (std::size_t c = 0; c < columns.size(); ++c)
      class_of[static_cast<std::size_t>(columns[c])] = static_cast<std::int32_t>(c);
    std::vector<std::int32_t> predictions;
    for (const auto index : *logit) predictions.push_back(class_of[static_cast<std::size_t>(index)]);
    EvalResult result;
    result.parts = score_parts(data, task, predictions, {});
    return result.score();
  };
}

}  // namespace dsd
