#pragma once
// The rows of a data file, one at a time, with the columns that a task needs: TSV (GLUE's own layouts and any file with
// a header), JSONL, and plain text. Nothing of a file is kept but the row at hand.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/lines.h"
#include "core/data/task.h"

namespace dsd {

// Views hold until the next row is read.
struct Row {
  std::string_view text;
  std::optional<std::string_view> pair;
  std::optional<std::string_view> label;
  std::optional<std::string_view> input;  // beside a prompt (the text) and its answer (the pair)
};

class RowReader {
 public:
  virtual ~RowReader() = default;

  // The next row; false at the end. Error naming file and line.
  virtual bool next(Row& row) = 0;

  // What was passed over, for people: "train.tsv: 3 of 363849 rows lack columns and were skipped (first: line 83032)".
  virtual std::vector<std::string> notes() const { return {}; }

  // "train.tsv:17" of the row that next() gave last.
  std::string place() const { return lines_.place(); }
  std::int64_t line() const { return lines_.number(); }

 protected:
  explicit RowReader(const std::filesystem::path& path) : lines_(path) {}

  LineReader lines_;
};

std::unique_ptr<RowReader> open_rows(const Task& task, const DataConfig& data, const SplitFile& file);

// Prompts and answers of a language model's JSONL file, or its documents.
std::unique_ptr<RowReader> open_language_rows(const DataConfig& data, const std::filesystem::path& path);

// TSV, JSONL or text: as `format` says, or by the file's ending.
TextFormat format_of(const std::filesystem::path& path, TextFormat format);

// The columns of a line of TSV: a tab separates, and nothing quotes.
std::vector<std::string_view> split_tabs(std::string_view line);

// Whether the file has a column (a key, in JSONL's first row) of that name.
bool has_column(const std::filesystem::path& path, TextFormat format, std::string_view name);

}  // namespace dsd
