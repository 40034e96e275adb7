#include "core/data/rows.h"

#include "core/base/error.h"
#include "core/data/glue.h"
#include "core/data/row_readers.h"

namespace dsd {
namespace {

RowLayout layout_of(const GlueTask& glue, const SplitFile& file) {
  RowLayout layout{.text = std::string(glue.text),
                   .pair = std::nullopt,
                   .label = std::nullopt,
                   .advice = fmt::format("is this {}'s official file?", glue.folder)};
  if (!glue.text_pair.empty()) {
    layout.pair = glue.text_pair;
    layout.advice = fmt::format("task '{}' compares two texts; {}", glue.name, layout.advice);
  }
  if (file.labelled) layout.label = glue.label;
  layout.headless = glue.headless && (file.split == Split::train || file.split == Split::dev);
  layout.skip_broken = glue.broken_rows && file.split != Split::test;
  layout.gold_last = glue.gold_last && file.labelled;
  return layout;
}

RowLayout layout_of(const DataConfig& data, const SplitFile& file) {
  return {.text = data.columns.text,
          .pair = data.columns.text_pair,
          .label = file.labelled ? std::optional(data.columns.label) : std::nullopt,
          .advice = "name the columns in data.columns",
          .exact_width = true};
}

}  // namespace

std::unique_ptr<RowReader> open_language_rows(const DataConfig& data, const std::filesystem::path& path) {
  const ColumnsConfig& columns = data.columns;
  return open_jsonl(path, {.text = columns.prompt.value_or(columns.text),
                           .pair = columns.answer,
                           .label = std::nullopt,
                           .input = columns.input,
                           .advice = columns.prompt ? "name the keys in data.columns"
                                                    : "name it in data.columns.text, or a prompt and an answer"});
}

TextFormat format_of(const std::filesystem::path& path, TextFormat format) {
  if (format != TextFormat::automatic) return format;
  const auto ending = path.extension();
  if (ending == ".tsv") return TextFormat::tsv;
  if (ending == ".jsonl" || ending == ".json") return TextFormat::jsonl;
  if (ending == ".txt" || ending == ".text") return TextFormat::text;
  fail("{}: the ending '{}' tells no format; rename it (.tsv, .jsonl, .txt) or set data.format", path.string(),
       ending.string());
}

std::unique_ptr<RowReader> open_rows(const Task& task, const DataConfig& data, const SplitFile& file) {
  const TextFormat format = format_of(file.path, data.format);
  const GlueTask* glue = find_glue(task.name);
  if (format == TextFormat::text) {
    if (file.labelled)
      fail("{}: a text file has no labels; task '{}' needs columns (.tsv or .jsonl)", file.path.string(), task.name);
    return open_text(file.path, task.name, task.pair);
  }
  RowLayout layout = glue != nullptr ? layout_of(*glue, file) : layout_of(data, file);
  if (format == TextFormat::tsv) return open_tsv(file.path, std::move(layout));
  return open_jsonl(file.path, std::move(layout));
}

}  // namespace dsd
