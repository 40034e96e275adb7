// TSV: columns by the header's names. Nothing quotes: the official files have lone quotation marks.
#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/nearest.h"
#include "core/data/glue.h"
#include "core/data/row_readers.h"

namespace dsd {
namespace {

constexpr std::string_view kNoGold = "-";
constexpr std::size_t kMostNames = 12;  // of columns, in a message

std::string in_brief(std::vector<std::string_view> names) {
  const bool more = names.size() > kMostNames;
  if (more) names.resize(kMostNames);
  return fmt::format("{}{}", fmt::join(names, ", "), more ? ", ..." : "");
}

std::string columns(std::size_t count) { return fmt::format("{} column{}", count, count == 1 ? "" : "s"); }

// Rows of one kind that were passed over.
struct Skipped {
  std::int64_t count = 0, first = 0;
  void add(std::int64_t line) {
    if (count++ == 0) first = line;
  }
};

class TsvReader final : public RowReader {
 public:
  TsvReader(const std::filesystem::path& path, RowLayout layout) : RowReader(path), layout_(std::move(layout)) {
    if (layout_.headless) {
      names_.assign(std::begin(kColaColumns), std::end(kColaColumns));
    } else {
      std::string_view header;
      if (!lines_.next(header)) fail("{}: is empty; expected a header and rows", lines_.name());
      for (const auto name : split_tabs(header)) names_.emplace_back(name);
    }
    text_ = require(layout_.text);
    if (layout_.pair) pair_ = require(*layout_.pair);
    if (layout_.label) label_ = layout_.gold_last ? names_.size() - 1 : require(*layout_.label);
    width_ = 1 + std::max({text_, pair_.value_or(0), label_.value_or(0)});
  }

  bool next(Row& row) override {
    std::string_view line;
    while (lines_.next(line)) {
      if (line.empty()) continue;
      cells_.clear();
      split(line, cells_);
      ++rows_;
      if (!is_whole()) continue;
      if (layout_.gold_last && label_ && cells_[*label_] == kNoGold) {
        without_gold_.add(lines_.number());
        continue;
      }
      row = {.text = cells_[text_], .pair = std::nullopt, .label = std::nullopt, .input = std::nullopt};
      if (pair_) row.pair = cells_[*pair_];
      if (label_) row.label = cells_[*label_];
      return true;
    }
    if (rows_ == 0) fail("{}: {}", lines_.name(), layout_.headless ? "is empty" : "has a header and no rows");
    return false;
  }

  std::vector<std::string> notes() const override {
    std::vector<std::string> notes;
    add_note(notes, broken_, "lack columns");
    add_note(notes, without_gold_, "have no gold label ('-')");
    return notes;
  }

  static void split(std::string_view line, std::vector<std::string_view>& cells) {
    for (std::size_t at = 0;;) {
      const std::size_t end = std::min(line.find('\t', at), line.size());
      cells.push_back(line.substr(at, end - at));
      if (end == line.size()) return;
      at = end + 1;
    }
  }

 private:
  std::size_t require(const std::string& name) const {
    const auto found = std::ranges::find(names_, name);
    if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
    const std::vector<std::string_view> known(names_.begin(), names_.end());
    const auto close = nearest(name, known);
    fail("{}:1: no column '{}' in the header{} (it has: {}); {}", lines_.name(), name,
         close ? fmt::format("; '{}' is near", *close) : "", in_brief(known), layout_.advice);
  }

  // A row that lacks columns is skipped where the official file has such rows, and an Error elsewhere.
  bool is_whole() {
    const std::size_t found = cells_.size();
    if (found < width_ && layout_.skip_broken) {
      broken_.add(lines_.number());
      return false;
    }
    if (found < width_) {
      std::vector<std::string_view> used{names_[text_]};
      if (pair_) used.push_back(names_[*pair_]);
      if (label_) used.push_back(names_[*label_]);
      fail("{}: {}, needs {} ({}); columns are separated by tabs", place(), columns(found), width_, in_brief(used));
    }
    if (found > names_.size() && layout_.exact_width)
      fail("{}: {}, but the header has {}; take the tab out of the text", place(), columns(found), names_.size());
    return true;
  }

  void add_note(std::vector<std::string>& notes, const Skipped& skipped, std::string_view why) const {
    if (skipped.count == 0) return;
    notes.push_back(fmt::format("{}: {} of {} rows {} and were skipped (first: line {})", lines_.name(), skipped.count,
                                rows_, why, skipped.first));
  }

  RowLayout layout_;
  std::vector<std::string> names_;
  std::size_t text_ = 0;
  std::optional<std::size_t> pair_, label_;
  std::size_t width_ = 0;  // columns that a row must have
  std::vector<std::string_view> cells_;
  std::int64_t rows_ = 0;
  Skipped broken_, without_gold_;
};

}  // namespace

std::vector<std::string_view> split_tabs(std::string_view line) {
  std::vector<std::string_view> cells;
  TsvReader::split(line, cells);
  return cells;
}

std::unique_ptr<RowReader> open_tsv(const std::filesystem::path& path, RowLayout layout) {
  return std::make_unique<TsvReader>(path, std::move(layout));
}

}  // namespace dsd
