#pragma once
// GLUE's nine tasks as their official files have them: folders, columns, labels, metrics.

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/data/task.h"

namespace dsd {

struct GlueLabel {
  std::string_view written;  // in the files
  std::string_view name;     // for people
};

struct GlueTask {
  std::string_view name;                    // "sst2"
  std::string_view folder;                  // "SST-2"
  std::string_view text, text_pair, label;  // columns of the header; text_pair "" for single texts
  std::vector<GlueLabel> labels;            // none for values
  std::vector<Metric> metrics;
  std::string_view positive;
  bool headless = false;     // train and dev have no header: kColaColumns
  bool broken_rows = false;  // the official file has rows that lack columns, which are skipped and counted
  bool two_parts = false;    // dev and test: matched and mismatched
  bool gold_last = false;    // the label is the last column, and rows with '-' have none
};

// The columns of a CoLA file without a header.
inline constexpr std::string_view kColaColumns[] = {"source", "label", "mark", "sentence"};

std::span<const GlueTask> glue_tasks();
const GlueTask* find_glue(std::string_view canonical_name);  // null for a task of one's own

}  // namespace dsd
