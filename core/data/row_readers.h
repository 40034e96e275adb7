#pragma once
// The readers behind open_rows, one for each format.

#include <memory>
#include <string>

#include "core/data/rows.h"

namespace dsd {

// Which columns of a file to read, by name, and what is peculiar to it.
struct RowLayout {
  std::string text;
  std::optional<std::string> pair, label;
  std::optional<std::string> input;  // JSONL only; rows may lack it
  std::string advice;                // what to do where a column is missing
  bool headless = false;             // CoLA's own four columns, without a header
  bool skip_broken = false;          // rows that lack columns are skipped and counted, not an error
  bool gold_last = false;            // the label is the last column; rows with '-' there are skipped and counted
  bool exact_width = false;          // a row with more columns than the header is an error: a tab inside a text
};

std::unique_ptr<RowReader> open_tsv(const std::filesystem::path& path, RowLayout layout);
std::unique_ptr<RowReader> open_jsonl(const std::filesystem::path& path, RowLayout layout);
// A line is a text, or for pairs two with a tab between.
std::unique_ptr<RowReader> open_text(const std::filesystem::path& path, const std::string& task, bool pair);

}  // namespace dsd
