#include "cli/eval_report.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/robustness_report.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

constexpr int kReportVersion = 1;
constexpr std::string_view kNothing = "-";

using Cells = std::vector<std::string>;

std::string percent(double share) {
  return std::isfinite(share) ? fmt::format("{:.2f}", 100 * share) : std::string(kNothing);
}

std::string rate(double per_second) { return fmt::format("{:.{}f}", per_second, per_second < 100 ? 1 : 0); }

std::string times(double factor) { return fmt::format("{:.1f}x", factor); }

bool tells_tokens(const EvalReport& report) { return report.task.kind == TaskKind::next_token; }

std::string shown(Metric metric, double value) {
  if (!lower_is_better(metric)) return percent(value);
  return std::isfinite(value) ? fmt::format("{:.4f}", value) : std::string(kNothing);
}

std::string title_of(Metric metric) {
  if (metric == Metric::negative_log_likelihood) return "nats a token";
  if (metric == Metric::bits_per_byte) return "bits a byte";
  return fmt::format("{}{}", name_of(metric), lower_is_better(metric) ? "" : " %");
}

// "accuracy %", or "accuracy % matched" where the split has parts.
Cells metric_titles(const EvalReport& report) {
  Cells titles;
  for (const auto& part : report.models[0].result.parts)
    for (const auto& metric : report.task.metrics)
      titles.push_back(fmt::format("{}{}{}", title_of(metric), part.part.empty() ? "" : " ", part.part));
  return titles;
}

Cells metric_cells(const EvalReport& report, const EvalResult& result) {
  Cells cells;
  for (const auto& part : result.parts)
    for (std::size_t m = 0; m < report.task.metrics.size(); ++m)
      cells.push_back(part.metrics.empty() ? std::string(kNothing)
                                           : shown(part.metrics[m].first, part.metrics[m].second));
  return cells;
}

double kept(const EvalReport& report, const EvalResult& result) {
  return retention(report.task.metrics.front(), result.score(), report.models[0].result.score());
}

double kept_above_chance(const EvalReport& report, const EvalResult& result) {
  return chance_corrected_retention(report.task.metrics.front(), result.score(), report.models[0].result.score(),
                                    report.baseline.result.score());
}

void add(Cells& cells, Cells more) { std::ranges::move(more, std::back_inserter(cells)); }

Cells title_row(const EvalReport& report, bool speed) {
  Cells cells{"model"};
  add(cells, metric_titles(report));
  add(cells, {"kept %", "above chance %", "parameters", "MB"});
  if (speed) add(cells, {"sent/s x1", "x32", "end to end x1", "x32", "speed-up x1", "x32"});
  return cells;
}

Cells model_row(const EvalReport& report, const ModelReport& model) {
  Cells cells{model.path};
  add(cells, metric_cells(report, model.result));
  // Perplexities over different tokens are not comparable.
  if (report.has_labels() && model.same_tokens)
    add(cells, {percent(kept(report, model.result)), percent(kept_above_chance(report, model.result))});
  else add(cells, {std::string(kNothing), std::string(kNothing)});
  add(cells, {fmt::format("{:.2f} M", static_cast<double>(model.parameters) / 1e6),
              fmt::format("{:.1f}", static_cast<double>(model.bytes) / 1e6)});
  if (!model.speed) return cells;
  const Speed& own = *model.speed;
  const Speed& first = *report.models[0].speed;
  add(cells, {rate(own.model_1), rate(own.model_32), rate(own.end_to_end_1), rate(own.end_to_end_32),
              times(own.model_1 / first.model_1), times(own.model_32 / first.model_32)});
  return cells;
}

Cells baseline_row(const EvalReport& report, std::size_t width) {
  const Baseline& baseline = report.baseline;
  const bool classes = report.task.kind == TaskKind::classes;
  if (tells_tokens(report)) {
    Cells cells{"tokens of this text by their counts"};
    add(cells, metric_cells(report, baseline.result));
    add(cells, {percent(kept(report, baseline.result)), percent(kept_above_chance(report, baseline.result))});
    cells.resize(width, std::string(kNothing));
    return cells;
  }
  Cells cells{
      classes ? fmt::format("majority class ({})", report.task.label_names[static_cast<std::size_t>(baseline.majority)])
              : fmt::format("always the mean ({:.3f})", baseline.mean)};
  add(cells, metric_cells(report, baseline.result));
  add(cells, {percent(kept(report, baseline.result)), percent(kept_above_chance(report, baseline.result))});
  cells.resize(width, std::string(kNothing));
  return cells;
}

std::string aligned(const std::vector<Cells>& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c)
      text += c == 0 ? fmt::format("{:<{}}", row[c], widths[c]) : fmt::format("  {:>{}}", row[c], widths[c]);
    text += '\n';
  }
  return text;
}

Json tasks_json(const EvalReport& report, const EvalResult& result) {
  Json tasks = Json::array();
  for (const auto& part : result.parts) {
    Json task{{"task", report.task.name}, {"split", name_of(report.split)}};
    if (!part.part.empty()) task["part"] = part.part;
    task[tells_tokens(report) ? "tokens" : "rows"] = part.rows;
    if (tells_tokens(report)) task["bytes"] = part.bytes;
    task["metrics"] = Json::object();
    for (const auto& [metric, value] : part.metrics) task["metrics"][std::string(name_of(metric))] = value;
    tasks.push_back(std::move(task));
  }
  return tasks;
}

Json speed_json(const Speed& own, const Speed& first) {
  return {{"unit", "sentences/s"},
          {"batch_1",
           {{"model", own.model_1}, {"end_to_end", own.end_to_end_1}, {"speed_up", own.model_1 / first.model_1}}},
          {"batch_32",
           {{"model", own.model_32}, {"end_to_end", own.end_to_end_32}, {"speed_up", own.model_32 / first.model_32}}}};
}

Json model_json(const EvalReport& report, const ModelReport& model) {
  Json json{{"path", model.path}, {"tasks", tasks_json(report, model.result)}};
  if (report.has_labels() && model.same_tokens)
    json["retention"] = {{"raw", kept(report, model.result)},
                         {"chance_corrected", kept_above_chance(report, model.result)}};
  json["parameters"] = model.parameters;
  json["bytes"] = model.bytes;
  if (model.robust) json["robustness"] = robustness_json(*model.robust);
  json["speed"] = model.speed ? speed_json(*model.speed, *report.models[0].speed) : Json();
  return json;
}

// What was scored, exactly: perplexities of others may be taken with a stride or with other pieces.
std::string definition_of(const EvalReport& report) {
  const ModelReport& first = report.models[0];
  std::int64_t tokens = 0, bytes = 0;
  for (const auto& part : first.result.parts) tokens += part.rows, bytes += part.bytes;
  std::string text = fmt::format(
      "{} tokens told, in {} pieces of at most {} that are read without what stands before them (no stride); a "
      "document's\nfirst token is not told. perplexity: e to the mean of -log p; bits a byte: over the text's {} "
      "bytes\n"
      "kept: the first model's perplexity over the model's, and its share of the first one's gain in log over the last "
      "row\n",
      tokens, first.rows, first.max_length, bytes);
  if (!std::ranges::all_of(report.models, &ModelReport::same_tokens))
    text += "models whose tokens differ from the first one's have other perplexities; compare their bits a byte\n";
  return text;
}

}  // namespace

std::string table_of(const EvalReport& report) {
  const bool speed = report.models[0].speed.has_value();
  std::vector<Cells> rows{title_row(report, speed)};
  for (const auto& model : report.models) rows.push_back(model_row(report, model));
  if (report.has_labels()) rows.push_back(baseline_row(report, rows[0].size()));
  std::string text = aligned(rows);
  if (tells_tokens(report)) text += definition_of(report);
  else if (report.has_labels())
    text +=
        fmt::format("{} {}, {} rows; kept: share of the first model's {}, and the same above the last row's\n",
                    report.task.name, name_of(report.split), report.models[0].rows, name_of(report.task.metrics[0]));
  if (speed)
    text +=
        "sent/s: sentences a second of the model on tokenised input, 1 and 32 at a time; end to end: with tokenising\n";
  return text;
}

std::string json_of(const EvalReport& report) {
  const std::string version = version_text();
  Json json{{"version", kReportVersion}, {"writer", version.substr(0, version.find('\n'))}};
  json["models"] = Json::array();
  for (const auto& model : report.models) json["models"].push_back(model_json(report, model));
  const Baseline& baseline = report.baseline;
  if (tells_tokens(report)) json["unigram"] = {{"tasks", tasks_json(report, baseline.result)}};
  else if (!report.has_labels()) json["majority"] = nullptr;
  else if (report.task.kind == TaskKind::values)
    json["majority"] = {{"mean", baseline.mean}, {"tasks", tasks_json(report, baseline.result)}};
  else
    json["majority"] = {{"label", report.task.labels[static_cast<std::size_t>(baseline.majority)]},
                        {"tasks", tasks_json(report, baseline.result)}};
  return write_json(json);
}

}  // namespace dsd
